//! The device row.

use async_trait::async_trait;
use wacore::store::Device;
use wacore::store::error::Result;
use wacore::store::traits::DeviceStore;

use super::VaultBackend;

/// There is one device in a generation.
const DEVICE_ID: i32 = 1;

#[async_trait]
impl DeviceStore for VaultBackend {
    async fn save(&self, device: &Device) -> Result<()> {
        self.update_identity(|document| document.device = Some(device.clone()))
            .await;
        Ok(())
    }

    async fn load(&self) -> Result<Option<Device>> {
        // Never `None` where there is an unreadable one: the vault does not open over that.
        Ok(self.identity.get().device.clone())
    }

    async fn exists(&self) -> Result<bool> {
        Ok(self.identity.get().device.is_some())
    }

    async fn create(&self) -> Result<i32> {
        self.update_identity(|document| {
            document.device.get_or_insert_with(Device::new);
        })
        .await;
        Ok(DEVICE_ID)
    }
}
