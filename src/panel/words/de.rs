//! German.

use super::{Words, causes, screen};

const NOTHING: &str = "Nichts zu tun";

// A screen, a line: title, what to do next, what there is to know, further advice.
#[rustfmt::skip]
pub(super) const WORDS: Words = Words {
    starting: screen("Startet", NOTHING, "Holdfast fährt hoch", ""),
    repairing: screen("Repariert", "Nicht ausstecken", "die Daten werden geheilt", ""),
    no_link: screen("Kein Netz", "Kabel, WLAN prüfen", "beides nicht verbunden", ""),
    no_radio: screen("Kein Funk", "Kabel nehmen", "die Firmware fehlt", ""),
    no_address: screen("Adresse fehlt", "Router neu starten", "er vergibt keine", ""),
    no_route: screen("Kein Internet", "Router prüfen", "er kommt nicht hinaus", ""),
    no_name: screen("Kein Internet", "Router prüfen", "WhatsApp nicht gefunden", ""),
    clock: screen("Uhr falsch", NOTHING, "das Netz stellt sie", "Taste: ohne Uhr weiter"),
    connecting: screen("Verbindet", NOTHING, "meldet sich bei WhatsApp", ""),
    connected: screen("Verbunden", NOTHING, "mit WhatsApp", ""),
    connected_as: "mit WhatsApp als ...{}",
    phone_away: screen("Handy fehlt", "Handy einschalten", "sonst endet die Kopplung", ""),
    weak_supply: screen("Strom knapp", "Neues Netzteil", "die Spannung sinkt", ""),
    stale: screen("Antwort fehlt", NOTHING, "WhatsApp wird gefragt", ""),
    reconnecting: screen("Offline", NOTHING, "verbindet, Versuch {}", ""),
    degraded: screen("Noch offline", "Taste: neuer Versuch", "Versuch {}", ""),
    replaced: screen("Verdrängt", "Anderes Gerät aus", "eine Kopie ist aktiv", "Taste: zurückholen"),
    logged_out: screen("Abgemeldet?", NOTHING, "WhatsApp wird gefragt", ""),
    banned: screen("Gesperrt", "Am Handy nachlesen", "von WhatsApp, auf Zeit", ""),
    blocked: screen("Blockiert", "Am Handy lösen", "WhatsApp sperrt Konto", "danach Taste drücken"),
    outdated: screen("Veraltet", "Holdfast erneuern", "WhatsApp will eine neuere", ""),

    preparing: screen("Koppeln", "Handy bereithalten", "ein Code kommt gleich", "bei: Verknüpfte Geräte"),
    set_number_why: "QR zu klein? In der Datei",
    set_number: "pairing.phone setzen",
    scan: "Scannen",
    scan_where: "WhatsApp: Verknüpfte Geräte",
    enter: screen("", "Am Handy eingeben", "WhatsApp: mit Nummer", ""),
    too_big: screen("Kein Platz", "pairing.phone setzen", "der QR ist hier zu groß", "in holdfast.toml"),
    paused: screen("Ohne Handy", "Taste: neuer Code", "kein Handy hat gescannt", ""),
    passkey: screen("Passkey", "Taste: neuer Versuch", "WhatsApp verlangt einen", "oder holdfastctl passkey"),

    full: screen("Karte voll", "Größere Karte nutzen", "oder Bots lesen lassen", "WhatsApp hält den Rest"),
    outbox_full: screen("Karte voll", "Ungesendete löschen", "zu viel wartet auf Versand", "holdfastctl outbox"),
    damaged: screen("Beschädigt", "Betreuer rufen", "beide Schlüssel-Kopien", ""),
    not_permitted: screen("Kein Zugriff", "Betreuer rufen", "auf die Daten", ""),
    wrong_file: screen("Falsche Datei", "Betreuer rufen", "wo die Daten hingehören", ""),
    read_only: screen("Nur lesbar", "Aus- und einschalten", "nichts wird gespeichert", "bleibt es: neue Karte"),
    in_use: screen("Schon belegt", "Aus- und einschalten", "ein anderes Holdfast läuft", ""),
    set_aside: screen("Nicht lesbar", "Aus- und einschalten", "die Daten sind bewahrt", "bleibt es: neue Karte"),
    failed: screen("Kartenfehler", "Taste: neuer Versuch", "Daten nicht nutzbar", "bleibt es: neue Karte"),
    no_descriptors: screen("Überlastet", NOTHING, "zu viele Dateien offen", "die Karte ist in Ordnung"),
    no_memory: screen("Überlastet", NOTHING, "kein Speicher mehr frei", "die Karte ist in Ordnung"),
    no_threads: screen("Überlastet", NOTHING, "zu viele Prozesse", "die Karte ist in Ordnung"),

    clean: screen("Beendet", NOTHING, "beim letzten Mal geordnet", ""),
    first_start: screen("Willkommen", NOTHING, "dies ist der erste Start", ""),
    process_crash: screen("Abgestürzt", NOTHING, "Holdfast läuft wieder", "siehe: holdfastctl boot"),
    kernel_crash: screen("Abgestürzt", NOTHING, "das System läuft wieder", "siehe: holdfastctl boot"),
    watchdog: screen("Hing fest", NOTHING, "vom Wächter neu belebt", "siehe: holdfastctl boot"),
    power_loss: screen("Strom weg", NOTHING, "so endete der letzte Lauf", "siehe: holdfastctl boot"),
    unknown_end: screen("Neustart", NOTHING, "der letzte Lauf brach ab", "siehe: holdfastctl boot"),
    settings: screen("Datei prüfen", "Fehler berichtigen", "{}", "der Rest gilt"),
    use_our_file: "Nimm holdfast.toml",
    boot_partition: "auf der Boot-Partition",
    line: "{}, Zeile {}",
    mistakes: "{} Fehler",
    network: screen("Netz", "Taste: weiter", "", ""),
    no_key_next: "SSH-Key eintragen",
    no_key_about: "niemand kommt hinein",
    no_key: "Kein SSH-Schlüssel: niemand kommt hinein.",
    about: screen("Gerät", "Taste: zurück", "", ""),

    update_sought: screen("Erneuert", NOTHING, "eine neuere wird gesucht", ""),
    updating: screen("Erneuert", "Nicht ausstecken", "neue Version: {} %", ""),
    update_starts: screen("Erneuert", "Nicht ausstecken", "startet selbst neu", ""),
    fell_back: screen("Zurück", "Betreuer rufen", "neue Version versagte", "holdfastctl update status"),

    relink: screen("Koppeln?", "Taste: ja", "trennt ...{}, {}", ""),
    retires: "legt {} ab",
    holding: screen("Gehalten", "Loslassen: koppeln", "oder halten: alles löschen", ""),
    holding_unlinked: screen("Gehalten", "Loslassen: zurück", "oder halten: alles löschen", ""),
    reset: screen("Löschen?", "Taste: ja, alles", "Kopplung, WLAN, Keys", ""),
    resetting: screen("Löscht", "Nicht ausstecken", "startet selbst wieder", ""),
    reset_done: screen("Gelöscht", "Neu einrichten", "{} Links, WLAN, Keys", "Taste: weiter"),
    links_gone: "{} Kopplungen sind weg",
    things_left: "{} Dinge blieben übrig",
    still_listed: "{} am Handy trennen",
    stopping: screen("Hält an", "Nicht ausstecken", "alles wird gespeichert", ""),
    stopped: screen("Beendet", "Jetzt ausstecken", "alles ist gespeichert", ""),

    next_try: "nächster Versuch {}",
    trying: "versucht es gerade",
    restarting: "startet neu",
    goes_on: "weiter in {}",
    ends_in: "endet in {}",
    no_in: "nein in {}",
    erases_in: "alles löschen in {}",
    left: "noch {}",
    ago: "vor {}",
    now: "gerade",

    since: "Seit",
    address: "Adresse",
    host: "Name",
    wifi: "WLAN",
    good: "gut",
    fair: "mäßig",
    weak: "schwach",
    unread: "Ungelesen",
    unsent: "Ungesendet",
    last_message: "Nachricht",
    last_run: "Letzter Lauf",
    version: "Version",
    slot: "Slot",
    generation: "Kopplung",
    audit: "Audit",
    export: "Exportiert",
    never: "nie",
    none: "-",

    cause,
};

causes! {
    NoLink: "Kein Kabel steckt, und kein WLAN ist verbunden.", "Kabel prüfen, oder Name und Passwort des WLANs in holdfast.toml.";
    NoRadio: "Kein Kabel steckt, und das WLAN-Modul startete nicht; wohl fehlt ihm die Firmware.", "Ein Kabel nehmen, oder ein Image, das mit `--wifi-firmware` gebaut ist.";
    NoAddress: "Das Netz gibt diesem Gerät keine Adresse.", "Den Router neu starten.";
    NoRoute: "Das Netz hat keinen Weg nach draußen.", "Prüfen, ob der Router im Internet ist.";
    DnsFailed: "Der Name von WhatsApps Server ist nicht zu finden.", "Prüfen, ob der Router im Internet ist.";
    DialFailed: "WhatsApps Server ist nicht zu erreichen.", "";
    ProxyFailed: "Der Proxy lässt Holdfast nicht zu WhatsApp durch.", "network.proxy (oder HTTPS_PROXY) prüfen, die Anmeldung am Proxy und ob er Port 443 durchlässt.";
    TlsFailed: "Zu WhatsApps Server kommt keine sichere Verbindung zustande.", "Die Uhr prüfen, und ob eine Anmeldeseite oder ein Filter im Weg ist.";
    HandshakeFailed: "Die Begrüßung mit WhatsApp ist gescheitert.", "";
    LoginTimeout: "WhatsApp hat nicht rechtzeitig geantwortet.", "";
    Stale: "Von WhatsApp kommt nichts mehr, und es antwortet nicht.", "";
    Garbled: "Was von WhatsApp kommt, ist nicht zu entschlüsseln; die Verbindung wird neu aufgebaut.", "";
    ConnectionLost: "Die Verbindung zu WhatsApp ist abgerissen.", "";
    NotLinked: "Dieses Gerät ist mit keinem Konto gekoppelt.", "Den Code mit WhatsApp scannen: Einstellungen, Verknüpfte Geräte.";
    Revoked: "WhatsApp hat die Kopplung beendet.", "Den Code mit WhatsApp scannen: Einstellungen, Verknüpfte Geräte.";
    Relinked: "Eine neue Kopplung wurde verlangt.", "Den Code mit WhatsApp scannen: Einstellungen, Verknüpfte Geräte.";
    Restoring: "Eine abgelegte Kopplung wird zurückgeholt.", "";
    LogoutSuspected: "WhatsApp sagt, dieses Gerät sei abgemeldet; ein weiterer Versuch zeigt es.", "";
    QrExhausted: "Kein Handy hat den Code gescannt.", "Taste drücken oder `holdfastctl link` aufrufen, für einen neuen Code.";
    PairingBudget: "Das Koppeln brach zu oft ab; WhatsApp wird eine Weile in Ruhe gelassen.", "Taste drücken oder `holdfastctl link` aufrufen, für einen neuen Code.";
    PairFailed: "Die Antwort des Handys stimmte nicht.", "Den nächsten Code scannen.";
    CodeTooLong: "Was WhatsApp zum Scannen gab, ist für jeden Code zu lang.", "Auf den nächsten Code warten oder mit Nummer koppeln: pairing.phone setzen.";
    PasskeyNeeded: "WhatsApp verlangt einen Passkey, den dieses Gerät nicht hat.", "Mit `holdfastctl passkey` antworten, wo der Passkey ist, oder Taste drücken.";
    PasskeyUnanswered: "WhatsApp verlangte einen Passkey und bekam nicht rechtzeitig Antwort.", "Taste drücken und binnen zwei Minuten mit `holdfastctl passkey` antworten.";
    Replaced: "Eine Kopie dieses Geräts benutzt die Kopplung.", "Die Kopie anhalten, dann Taste drücken.";
    Restart: "WhatsApp bat um einen Neustart.", "";
    RestartLoop: "WhatsApp bittet immer wieder um einen Neustart.", "";
    Restrained: "Es gab viele Versuche in wenigen Minuten; WhatsApp wird kurz in Ruhe gelassen.", "";
    Throttled: "WhatsApp bittet, langsamer zu machen.", "";
    ClientOutdated: "WhatsApp nimmt diese Version nicht mehr an.", "Holdfast erneuern: `holdfastctl update`, oder update.automatic setzen.";
    Refused: "WhatsApp hat die Verbindung abgelehnt.", "";
    LinkStuck: "Die Verbindung endet nicht, obwohl sie soll.", "Holdfast neu starten, wenn das bleibt.";
    SelfTestFailed: "WhatsApp beantwortete einen Test nicht; die Verbindung wird neu aufgebaut.", "";
    EchoMissing: "WhatsApp nimmt Nachrichten an, doch eine Probe kam nicht am Handy an.", "Prüfen, ob das Handy an ist und ein Netz hat.";
    Stopped: "Holdfast sollte anhalten.", "Wieder starten, wenn es gebraucht wird.";
    AccountLocked: "WhatsApp hat das Konto gesperrt.", "WhatsApp am Handy öffnen und seinem Rat folgen, dann Taste drücken.";
    NoNewChats: "WhatsApp lässt das Konto niemandem schreiben, mit dem es noch kein Gespräch hat.", "Warten, bis diese zuerst schreiben oder die Sperre endet; Fremden nicht weiter schreiben.";
    PhoneAway: "Das gekoppelte Handy war 12 Tage nicht zu sehen; nach 14 beendet WhatsApp die Kopplung.", "Das Handy einschalten, ins Netz bringen und WhatsApp öffnen.";
    Banned: "WhatsApp hat das Konto für eine Weile gesperrt.", "WhatsApp am Handy öffnen und den Grund lesen; Holdfast wartet das Ende ab.";
    ClockBehind: "Die Uhr geht gegenüber dem letzten Lauf nach; das Netz muss sie stellen.", "Prüfen, ob der Router im Internet ist und NTP (UDP-Port 123) durchlässt.";
    ClockFloor: "Das Netz hat die Uhr nicht gestellt; Holdfast rechnet mit der Zeit des letzten Laufs weiter.", "Prüfen, ob der Router im Internet ist und NTP (UDP-Port 123) durchlässt.";
    LittleSpace: "Die Datenpartition wird voll.", "Alle Bots ihre Nachrichten lesen lassen oder eine größere Karte nehmen.";
    NoSpace: "Die Datenpartition ist voll; WhatsApp bewahrt die Nachrichten auf.", "Alle Bots ihre Nachrichten lesen lassen, Fremdes entfernen oder eine größere Karte nehmen.";
    OutboxFull: "Ungesendete Nachrichten füllen die Datenpartition; WhatsApp bewahrt die empfangenen auf.", "Löschen, was nicht gesendet werden muss: `holdfastctl outbox`.";
    Unread: "Viele empfangene Nachrichten warten auf ihren Leser.", "Prüfen, ob jeder Bot läuft und bestätigt, was er gelesen hat.";
    ConsumerAway: "Für einen Bot, der lange nicht kam, werden Nachrichten aufbewahrt.", "Ihn wieder starten oder vergessen: `holdfastctl inbox consumers`.";
    ConsumerForgotten: "Ein Bot kam zu lange nicht; für ihn wird nichts mehr aufbewahrt.", "Ihn wieder starten oder vergessen: `holdfastctl inbox consumers`.";
    ManyRecords: "Es sind so viele Schlüssel geworden, dass jeder Start länger dauert.", "Alles in Ordnung; eine neue Kopplung, wenn es passt, beginnt mit wenigen.";
    OpenFailed: "Die Datenpartition lässt sich nicht öffnen.", "Taste drücken für einen neuen Versuch; bleibt es, die Karte ersetzen.";
    NotPermitted: "Holdfast darf sein Datenverzeichnis nicht benutzen.", "Das Verzeichnis dem Benutzer geben, unter dem Holdfast läuft; `holdfastctl boot` nennt die Datei.";
    WrongFile: "Etwas anderes liegt, wo Holdfast seine Daten hat.", "Wegräumen; Anzeige und Log nennen es.";
    ReadOnly: "Die Datenpartition ist nur lesbar.", "Neu starten, damit sie geprüft wird; bleibt es, die Karte ersetzen.";
    InUse: "Ein anderes Holdfast, das noch läuft, hat die Schlüssel offen; nichts wurde verändert.", "Jenes beenden oder das Gerät aus- und einschalten.";
    SetAside: "Die Datenpartition ist nicht zu reparieren; sie ist beiseitegelegt, nichts darauf wurde verändert.", "Neu starten für einen neuen Versuch; bleibt es, die Karte ersetzen.";
    MediumFailed: "Die Datenpartition ist ausgefallen.", "Taste drücken für einen neuen Versuch; bleibt es, die Karte ersetzen.";
    IdentityDamaged: "Die Schlüssel dieses Geräts sind in beiden Kopien beschädigt; nichts wurde verändert.", "Das Verzeichnis der Kopplung wegräumen; dann neu koppeln oder ein Archiv einlesen: `holdfastctl archive import`.";
    VaultFailed: "Die Schlüssel ließen sich nicht lesen oder schreiben.", "Den Speicher prüfen: freien Platz, dann die Karte selbst.";
    KeysRepaired: "Einige Schlüssel waren beschädigt und sind repariert; die Kopplung ist heil.", "";
    KeysRebuilt: "Die Sitzungsschlüssel waren beschädigt oder zu alt und werden erneuert; die Kopplung ist heil.", "";
    KeysRenewed: "Nachrichten mehrerer Kontakte waren nicht zu entschlüsseln, daher werden Schlüssel erneuert; die Kopplung ist heil.", "";
    OlderCopy: "Eine ältere Kopie der Daten wurde eingespielt; Schlüssel werden erneuert, die Kopplung ist heil.", "Eine Kopplung mit `holdfastctl archive export` sichern oder umziehen, nie als Kopie der Daten.";
    Undecryptable: "Nachrichten mehrerer Kontakte sind trotz neuer Schlüssel nicht zu entschlüsseln; sie werden erneut erbeten.", "";
    RepairSlow: "Die Reparatur der Schlüssel dauert länger, als sie sollte.", "Bleibt es, Holdfast neu starten; kommt es wieder, die Karte ersetzen.";
    RetireFailed: "Die alte Kopplung ließ sich nicht ablegen; sie ist unberührt.", "Den Speicher prüfen: freien Platz, dann die Karte selbst.";
    RestoreFailed: "Die abgelegte Kopplung ließ sich nicht zurückholen; die jetzige ist unberührt.", "Den Grund im Log lesen; den Speicher prüfen: freien Platz, dann die Karte selbst.";
    RetireSlow: "Das Ablegen der alten Kopplung dauert länger, als es sollte.", "Bleibt es, Holdfast neu starten; kommt es wieder, die Karte ersetzen.";
    NoDescriptors: "Das System hat keine Dateinummern mehr für Holdfast, das neu startet; die Karte ist in Ordnung.", "Programme schließen, die viele Dateien oder Verbindungen offen halten.";
    NoMemory: "Das System hat keinen Arbeitsspeicher mehr für Holdfast, das neu startet; die Karte ist in Ordnung.", "Andere Programme beenden oder ein Board mit mehr Speicher nehmen.";
    NoThreads: "Das System startet keinen Thread mehr für Holdfast, das neu startet; die Karte ist in Ordnung.", "Die Grenze der Prozesse des Benutzers oder Dienstes anheben (TasksMax).";
    ResetAsked: "Am Gerät wurde das Löschen von allem bestätigt.", "Strom anlassen, bis das Gerät wieder gestartet ist.";
    ResetFailed: "Das Löschen ließ sich nicht beginnen; nichts wurde verändert.", "Den Speicher prüfen: freien Platz, dann die Karte selbst.";
    ResetUnfinished: "Das Löschen wurde begonnen und nicht beendet; was übrig ist, wird nicht benutzt.", "Neu starten für einen neuen Versuch; bleibt es, die Karte neu schreiben.";
    UnderVoltage: "Das Netzteil ist zu schwach: seine Spannung fällt unter das, was das Board braucht.", "Das Netzteil nehmen, das der Hersteller nennt, mit kurzem Kabel, und abziehen, was vom Board Strom nimmt.";
    LedAbsent: "Die Leitung der Lampe ist nicht zu setzen.", "Die Beschreibung des Boards prüfen: led.lines.";
    DisplayIsSh1106: "Die Anzeige ist ein SH1106, anders als beschrieben; sie wird als solche betrieben.", "board = \"raspberrypi-sh1106\" unter [panel] in holdfast.toml schreiben.";
    DisplayIsSsd1306: "Die Anzeige ist ein SSD1306, anders als beschrieben; sie wird als solche betrieben.", "board = \"raspberrypi\" unter [panel] in holdfast.toml schreiben, oder nichts.";
    UpdateInstalled: "Eine neue Version ist installiert; das Gerät startet mit ihr neu.", "Strom anlassen, bis das Gerät wieder gestartet ist.";
    UpdateUnproved: "Die neue Version kam nicht rechtzeitig zurecht; das Gerät startet neu.", "";
    UpdateFellBack: "Die neue Version hat sich nicht bewährt; die vorige läuft wieder.", "`holdfastctl update status` lesen; diese Version kommt von selbst nicht wieder.";
    UpdateUnreachable: "Die Liste neuer Versionen ist nicht zu lesen.", "update.index prüfen, und ob der Router im Internet ist.";
    UpdateUntrusted: "Die Liste neuer Versionen hat der Schlüssel dieses Geräts nicht unterschrieben.", "update.index und update.key prüfen; bis dahin von dort nichts nehmen.";
    UpdateNotForUs: "Die Liste neuer Versionen hat keine für diese Art von Gerät.", "update.index prüfen: sie ist für andere Geräte.";
    UpdateNoRoom: "Auf der Datenpartition ist kein Platz für eine neue Version.", "Alle Bots ihre Nachrichten lesen lassen oder eine größere Karte nehmen.";
    UpdateNotFetched: "Die neue Version kam nicht ganz an; sie wird wieder geholt.", "";
    UpdateRefused: "Die neue Version wurde nicht installiert; was läuft, ist unberührt.", "`holdfastctl update status` lesen: dort steht, was RAUC dazu sagt.";
    UpdateNoInstaller: "RAUC, das neue Versionen installiert, antwortet nicht.", "`systemctl status rauc` aufrufen; bleibt es, das Gerät neu starten.";
    DisplayAbsent: "Die Anzeige antwortet nicht.", "Kabel und Strom der Anzeige prüfen; hängt ihr Bus, zehn Sekunden den Stecker ziehen.";
    ButtonAbsent: "Die Leitung der Taste ist nicht zu lesen.", "Die Verdrahtung der Taste prüfen, und die Beschreibung des Boards.";
}
