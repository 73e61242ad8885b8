//! Watches the voltage of the power supply, where the board can tell.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_core::Event;
use holdfast_medium::Machine;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Polling interval of the alarm: it covers as much, so that no dip is missed.
const LOOK: Duration = Duration::from_secs(2);
/// Polling interval for the sensor: its driver may come late.
const FIND: Duration = Duration::from_secs(60);

/// The name of a Raspberry Pi's voltage sensor (Linux drivers/hwmon/raspberrypi-hwmon.c).
const SENSOR: &str = "rpi_volt";

/// Sends an event for each change, until nobody listens. Of a board that cannot tell nothing is said.
pub async fn watch(machine: Machine, events: mpsc::UnboundedSender<Event>) {
    let (mut alarm, mut was_low) = (None, false);
    loop {
        alarm = alarm.or_else(|| find(&machine));
        let text = alarm.as_ref().and_then(|alarm| fs::read(alarm).ok());
        // One that cannot be read is looked for anew.
        alarm = alarm.filter(|_| text.is_some());
        let low = text.is_some_and(|text| text.starts_with(b"1"));
        if low != was_low && events.send(Event::Voltage { low }).is_err() {
            return;
        }
        was_low = low;
        sleep(if alarm.is_some() { LOOK } else { FIND }).await;
    }
}

/// Finds the sensor's alarm (Linux Documentation/hwmon/sysfs-interface.rst): 1 where the voltage was too low when the driver asked the firmware,
/// which it does every two seconds, or since it had asked before.
fn find(machine: &Machine) -> Option<PathBuf> {
    let sensors = fs::read_dir(machine.file("sys/class/hwmon")).ok()?;
    let mut sensors = sensors.flatten().map(|sensor| sensor.path());
    let sensor = sensors.find(|sensor| {
        let name = fs::read_to_string(sensor.join("name"));
        name.is_ok_and(|name| name.trim() == SENSOR)
    })?;
    Some(sensor.join("in0_lcrit_alarm"))
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_voltage_that_falls_and_rises_is_told_once_each() {
        let board = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = board.path().join("sys/class/hwmon").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let (events, mut told) = mpsc::unbounded_channel();
        tokio::spawn(watch(Machine::at(board.path()), events));
        let mut told = async || timeout(2 * FIND, told.recv()).await.ok().flatten();
        put("hwmon0/name", "cpu_thermal\n");
        put("hwmon0/in0_lcrit_alarm", "1\n");
        assert_eq!(told().await, None, "another sensor's");
        // The driver comes late.
        put("hwmon1/in0_lcrit_alarm", "0\n");
        put("hwmon1/name", "rpi_volt\n");
        assert_eq!(told().await, None);
        put("hwmon1/in0_lcrit_alarm", "1\n");
        assert_eq!(told().await, Some(Event::Voltage { low: true }));
        assert_eq!(told().await, None, "nothing new");
        put("hwmon1/in0_lcrit_alarm", "0\n");
        assert_eq!(told().await, Some(Event::Voltage { low: false }));
        // The driver comes back under another number, and goes.
        fs::remove_dir_all(board.path().join("sys/class/hwmon/hwmon1")).unwrap();
        put("hwmon2/in0_lcrit_alarm", "1\n");
        put("hwmon2/name", "rpi_volt\n");
        assert_eq!(told().await, Some(Event::Voltage { low: true }));
        fs::remove_dir_all(board.path().join("sys/class/hwmon/hwmon2")).unwrap();
        assert_eq!(told().await, Some(Event::Voltage { low: false }));
    }
}
