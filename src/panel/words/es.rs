//! Spanish.

use super::{Words, causes, screen};

const NOTHING: &str = "Nada que hacer";

// A screen, a line: title, what to do next, what there is to know, further advice.
#[rustfmt::skip]
pub(super) const WORDS: Words = Words {
    starting: screen("Arrancando", NOTHING, "Holdfast está arrancando", ""),
    repairing: screen("Reparando", "No desenchufar", "se reparan los datos", ""),
    no_link: screen("Sin red", "Revisar cable y wifi", "no hay nada conectado", ""),
    no_radio: screen("Sin radio", "Usar un cable", "falta su firmware", ""),
    no_address: screen("Sin dirección", "Reiniciar el router", "el router no da ninguna", ""),
    no_route: screen("Sin internet", "Revisar el router", "no tiene salida", ""),
    no_name: screen("Sin internet", "Revisar el router", "no encuentra WhatsApp", ""),
    clock: screen("Sin hora", NOTHING, "la red pondrá la hora", "botón: seguir sin ella"),
    connecting: screen("Conectando", NOTHING, "entrando en WhatsApp", ""),
    connected: screen("Conectado", NOTHING, "a WhatsApp", ""),
    connected_as: "a WhatsApp como ...{}",
    phone_away: screen("Falta el móvil", "Encender el móvil", "o el vínculo terminará", ""),
    weak_supply: screen("Poca tensión", "Otra fuente", "su tensión cae", ""),
    stale: screen("No responde", NOTHING, "se pregunta a WhatsApp", ""),
    reconnecting: screen("Sin línea", NOTHING, "conectando, intento {}", ""),
    degraded: screen("Sin línea aún", "Botón: probar ya", "intento {}", ""),
    replaced: screen("Desplazado", "Apagar el otro", "una copia usa el vínculo", "botón: recuperarlo"),
    logged_out: screen("¿Sin sesión?", NOTHING, "se pregunta a WhatsApp", ""),
    banned: screen("Suspendido", "Mirar el móvil", "por WhatsApp, un tiempo", ""),
    blocked: screen("Bloqueado", "Seguir al móvil", "WhatsApp bloqueó cuenta", "luego pulsar el botón"),
    outdated: screen("Anticuado", "Actualizar Holdfast", "WhatsApp pide otro", ""),

    preparing: screen("Vincular", "Tener listo el móvil", "el código llega enseguida", "Dispositivos vinculados"),
    set_number_why: "¿QR chico? En el archivo",
    set_number: "poner pairing.phone",
    scan: "Escanear",
    scan_where: "WhatsApp: Dispositivos vinculados",
    enter: screen("", "Escribir en el móvil", "WhatsApp: Con número", ""),
    too_big: screen("No cabe", "Poner pairing.phone", "el QR es muy grande aquí", "en holdfast.toml"),
    paused: screen("Sin vincular", "Botón: nuevo código", "ningún móvil escaneó", ""),
    passkey: screen("Passkey", "Botón: reintentar", "WhatsApp pide una", "o holdfastctl passkey"),

    full: screen("Disco lleno", "Usar tarjeta mayor", "o que los bots lean", "WhatsApp guarda el resto"),
    outbox_full: screen("Disco lleno", "Borrar no enviados", "demasiados por enviar", "holdfastctl outbox"),
    damaged: screen("Dañado", "Avisar al técnico", "las claves, ambas copias", ""),
    not_permitted: screen("Sin permiso", "Avisar al técnico", "para usar los datos", ""),
    wrong_file: screen("Otro archivo", "Avisar al técnico", "donde van los datos", ""),
    read_only: screen("Solo lectura", "Apagar y encender", "no se puede guardar", "si sigue: otra tarjeta"),
    in_use: screen("Ya en uso", "Apagar y encender", "hay otro Holdfast abierto", ""),
    set_aside: screen("Ilegible", "Apagar y encender", "los datos se guardan", "si sigue: otra tarjeta"),
    failed: screen("Disco falla", "Botón: probar ya", "no se pueden usar datos", "si sigue: otra tarjeta"),
    no_descriptors: screen("Sobrecarga", NOTHING, "muchos archivos abiertos", "la tarjeta está bien"),
    no_memory: screen("Sobrecarga", NOTHING, "no queda memoria", "la tarjeta está bien"),
    no_threads: screen("Sobrecarga", NOTHING, "demasiados procesos", "la tarjeta está bien"),

    clean: screen("Parado", NOTHING, "en orden, la última vez", ""),
    first_start: screen("Bienvenido", NOTHING, "es el primer arranque", ""),
    process_crash: screen("Se cerró", NOTHING, "Holdfast ha reiniciado", "ver: holdfastctl boot"),
    kernel_crash: screen("Se cayó", NOTHING, "el sistema ha reiniciado", "ver: holdfastctl boot"),
    watchdog: screen("Se colgó", NOTHING, "el vigilante lo reinició", "ver: holdfastctl boot"),
    power_loss: screen("Corte de luz", NOTHING, "cortó la última sesión", "ver: holdfastctl boot"),
    unknown_end: screen("Reiniciado", NOTHING, "la última vez se cortó", "ver: holdfastctl boot"),
    settings: screen("Ajustes", "Corregir el archivo", "{}", "lo demás se usa"),
    use_our_file: "Usar holdfast.toml",
    boot_partition: "en la partición boot",
    line: "{}, línea {}",
    mistakes: "{} errores",
    network: screen("Red", "Botón: más", "", ""),
    no_key_next: "Poner clave SSH",
    no_key_about: "nadie puede entrar",
    no_key: "Sin clave SSH: nadie puede entrar.",
    about: screen("Acerca de", "Botón: volver", "", ""),

    update_sought: screen("Actualiza", NOTHING, "busca una más nueva", ""),
    updating: screen("Actualiza", "No desenchufar", "versión nueva: {} %", ""),
    update_starts: screen("Actualiza", "No desenchufar", "se reinicia solo", ""),
    fell_back: screen("Ha vuelto", "Avisar al técnico", "la nueva falló", "holdfastctl update status"),

    relink: screen("¿Vincular?", "Botón: sí", "corta ...{}, {}", ""),
    retires: "retira {}",
    holding: screen("Pulsado", "Soltar: revincular", "o seguir: borrar todo", ""),
    holding_unlinked: screen("Pulsado", "Soltar: volver", "o seguir: borrar todo", ""),
    reset: screen("¿Borrar?", "Botón: sí, todo", "vínculos, wifi, claves", ""),
    resetting: screen("Borrando", "No desenchufar", "volverá a arrancar solo", ""),
    reset_done: screen("Borrado", "Configurar de nuevo", "{} vínculos, wifi, claves", "botón: seguir"),
    links_gone: "{} vínculos borrados",
    things_left: "quedan {} cosas",
    still_listed: "Quitar {} del móvil",
    stopping: screen("Parando", "No desenchufar", "se está guardando todo", ""),
    stopped: screen("Parado", "Ya puede apagarse", "todo está guardado", ""),

    next_try: "otro intento en {}",
    trying: "intentándolo ahora",
    restarting: "reiniciando",
    goes_on: "sigue en {}",
    ends_in: "termina en {}",
    no_in: "no en {}",
    erases_in: "borrar todo en {}",
    left: "quedan {}",
    ago: "hace {}",
    now: "ahora",

    since: "Hace",
    address: "Dirección",
    host: "Nombre",
    wifi: "Wifi",
    good: "buena",
    fair: "regular",
    weak: "débil",
    unread: "Sin leer",
    unsent: "Sin enviar",
    last_message: "Mensaje",
    last_run: "Última vez",
    version: "Versión",
    slot: "Ranura",
    generation: "Vínculo",
    audit: "Auditoría",
    export: "Exportado",
    never: "nunca",
    none: "ninguna",

    cause,
};

causes! {
    NoLink: "No hay cable enchufado ni wifi conectado.", "Revisar el cable, o el nombre y la contraseña del wifi en holdfast.toml.";
    NoRadio: "No hay cable enchufado y la radio no arrancó; seguramente le falta el firmware.", "Usar un cable, o una imagen hecha con `--wifi-firmware`.";
    NoAddress: "La red no da dirección a este aparato.", "Reiniciar el router.";
    NoRoute: "La red no tiene salida al exterior.", "Comprobar que el router tiene internet.";
    DnsFailed: "No se encuentra el nombre del servidor de WhatsApp.", "Comprobar que el router tiene internet.";
    DialFailed: "No se llega al servidor de WhatsApp.", "";
    ProxyFailed: "El proxy no deja pasar a Holdfast hasta WhatsApp.", "Revisar network.proxy (o HTTPS_PROXY), el acceso al proxy y que deje pasar el puerto 443.";
    TlsFailed: "No se logra una conexión segura con el servidor de WhatsApp.", "Revisar la hora, y que no haya una página de acceso o un filtro en medio.";
    HandshakeFailed: "Falló el saludo con WhatsApp.", "";
    LoginTimeout: "WhatsApp no respondió a tiempo.", "";
    Stale: "Ya no llega nada de WhatsApp, y no responde.", "";
    Garbled: "Lo que llega de WhatsApp no se puede descifrar; se rehace la conexión.", "";
    ConnectionLost: "Se perdió la conexión con WhatsApp.", "";
    NotLinked: "Este aparato no está vinculado a ninguna cuenta.", "Escanear el código con WhatsApp: Ajustes, Dispositivos vinculados.";
    Revoked: "WhatsApp terminó el vínculo con la cuenta.", "Escanear el código con WhatsApp: Ajustes, Dispositivos vinculados.";
    Relinked: "Se pidió un vínculo nuevo.", "Escanear el código con WhatsApp: Ajustes, Dispositivos vinculados.";
    Restoring: "Se recupera un vínculo archivado.", "";
    LogoutSuspected: "WhatsApp dice que este aparato no tiene sesión; otro intento lo dirá.", "";
    QrExhausted: "Ningún móvil escaneó el código.", "Pulsar el botón, o ejecutar `holdfastctl link`, para otro código.";
    PairingBudget: "La vinculación se cortó demasiadas veces; se deja en paz a WhatsApp un rato.", "Pulsar el botón, o ejecutar `holdfastctl link`, para otro código.";
    PairFailed: "La respuesta del móvil no era correcta.", "Escanear el código siguiente.";
    CodeTooLong: "Lo que WhatsApp dio para escanear es demasiado largo para un código.", "Esperar al código siguiente, o vincular con número: poner pairing.phone.";
    PasskeyNeeded: "WhatsApp pide una passkey, que este aparato no puede dar.", "Responder con `holdfastctl passkey` donde esté la passkey, o pulsar el botón.";
    PasskeyUnanswered: "WhatsApp pidió una passkey y no tuvo respuesta a tiempo.", "Pulsar el botón y responder en dos minutos con `holdfastctl passkey`.";
    Replaced: "Otra copia de este aparato usa la sesión.", "Parar la otra copia y luego pulsar el botón.";
    Restart: "WhatsApp pidió un reinicio.", "";
    RestartLoop: "WhatsApp pide reiniciar una y otra vez.", "";
    Restrained: "Hubo muchos intentos en pocos minutos; se deja en paz a WhatsApp un rato.", "";
    Throttled: "WhatsApp pide ir más despacio.", "";
    ClientOutdated: "WhatsApp ya no acepta esta versión.", "Actualizar Holdfast: `holdfastctl update`, o poner update.automatic.";
    Refused: "WhatsApp rechazó la conexión.", "";
    LinkStuck: "La conexión no termina aunque se le ordenó.", "Reiniciar Holdfast si sigue así.";
    SelfTestFailed: "WhatsApp no respondió a una prueba; se rehace la conexión.", "";
    EchoMissing: "WhatsApp acepta mensajes, pero una prueba no llegó al móvil.", "Comprobar que el móvil está encendido y tiene red.";
    Stopped: "Se pidió a Holdfast que parase.", "Arrancarlo de nuevo cuando haga falta.";
    AccountLocked: "WhatsApp ha bloqueado la cuenta.", "Abrir WhatsApp en el móvil y seguir su consejo; luego pulsar el botón.";
    NoNewChats: "WhatsApp no deja a la cuenta escribir a quien no tenga ya una conversación con ella.", "Esperar a que escriban primero o a que termine; no escribir más a desconocidos.";
    PhoneAway: "El móvil vinculado no se ha visto en 12 días; a los 14 WhatsApp termina el vínculo.", "Encender ese móvil, con red, y abrir WhatsApp en él.";
    Banned: "WhatsApp ha suspendido la cuenta por un tiempo.", "Abrir WhatsApp en el móvil y leer por qué; Holdfast espera a que termine.";
    ClockBehind: "El reloj va por detrás de la última vez; la red tiene que ponerlo.", "Comprobar que el router tiene internet y deja pasar NTP (puerto UDP 123).";
    ClockFloor: "La red no puso el reloj; Holdfast sigue con la hora de la última vez.", "Comprobar que el router tiene internet y deja pasar NTP (puerto UDP 123).";
    LittleSpace: "La partición de datos se está llenando.", "Que cada bot lea sus mensajes, o usar una tarjeta mayor.";
    NoSpace: "La partición de datos está llena; WhatsApp guarda los mensajes.", "Que cada bot lea sus mensajes, quitar lo que no es de Holdfast, o usar una tarjeta mayor.";
    OutboxFull: "Los mensajes por enviar llenan la partición de datos; WhatsApp guarda los recibidos.", "Borrar lo que no haga falta enviar: `holdfastctl outbox`.";
    Unread: "Muchos mensajes recibidos esperan a ser leídos.", "Comprobar que cada bot funciona y confirma lo que ha leído.";
    ConsumerAway: "Se guardan mensajes para un bot que no viene hace mucho, aunque los demás sí.", "Arrancarlo de nuevo, u olvidarlo: `holdfastctl inbox consumers`.";
    ConsumerForgotten: "Un bot tardó demasiado en venir; ya no se le guardan mensajes.", "Arrancarlo de nuevo, u olvidarlo: `holdfastctl inbox consumers`.";
    ManyRecords: "Hay ya tantas claves que cada arranque tarda más.", "Nada va mal; un vínculo nuevo, cuando convenga, empieza con pocas.";
    OpenFailed: "No se puede abrir la partición de datos.", "Pulsar el botón para probar de nuevo; si sigue, cambiar la tarjeta.";
    NotPermitted: "Holdfast no puede usar su directorio de datos.", "Dar el directorio al usuario con que corre Holdfast; `holdfastctl boot` nombra el archivo.";
    WrongFile: "Hay otra cosa donde Holdfast guarda sus datos.", "Moverla a otro sitio; la pantalla y el registro la nombran.";
    ReadOnly: "La partición de datos es de solo lectura.", "Reiniciar para que se revise; si sigue, cambiar la tarjeta.";
    InUse: "Otro Holdfast que no ha terminado tiene abiertas las claves; no se cambió nada.", "Terminar ese proceso, o apagar y encender el aparato.";
    SetAside: "La partición de datos no tiene arreglo; se apartó, y no se cambió nada en ella.", "Reiniciar para probar de nuevo; si sigue, cambiar la tarjeta.";
    MediumFailed: "Falló la partición de datos.", "Pulsar el botón para probar de nuevo; si sigue, cambiar la tarjeta.";
    IdentityDamaged: "Las claves de este aparato están dañadas en ambas copias; no se cambió nada.", "Apartar el directorio del vínculo; luego vincular de nuevo, o traer un archivo: `holdfastctl archive import`.";
    VaultFailed: "No se pudieron leer o escribir las claves.", "Revisar el almacenamiento: espacio libre, luego la tarjeta.";
    KeysRepaired: "Algunas claves estaban dañadas y se han reparado; el vínculo sigue intacto.", "";
    KeysRebuilt: "Las claves de sesión estaban dañadas o viejas y se rehacen; el vínculo sigue intacto.", "";
    KeysRenewed: "No se pudieron descifrar mensajes de varios contactos, así que se rehacen claves; el vínculo sigue intacto.", "";
    OlderCopy: "Se puso una copia antigua de los datos; se rehacen claves, el vínculo sigue intacto.", "Llevar o guardar un vínculo con `holdfastctl archive export`, nunca copiando los datos.";
    Undecryptable: "No se descifran mensajes de varios contactos aun con claves nuevas; se piden otra vez.", "";
    RepairSlow: "La reparación de las claves tarda más de lo debido.", "Si sigue, reiniciar Holdfast; si vuelve, cambiar la tarjeta.";
    RetireFailed: "No se pudo archivar el vínculo antiguo; está intacto.", "Revisar el almacenamiento: espacio libre, luego la tarjeta.";
    RestoreFailed: "No se pudo recuperar el vínculo archivado; el actual está intacto.", "Leer el motivo en el registro; revisar el almacenamiento: espacio libre, luego la tarjeta.";
    RetireSlow: "Archivar el vínculo antiguo tarda más de lo debido.", "Si sigue, reiniciar Holdfast; si vuelve, cambiar la tarjeta.";
    NoDescriptors: "Al sistema no le quedan descriptores para Holdfast, que reinicia; la tarjeta está bien.", "Cerrar programas que tengan muchos archivos o conexiones abiertos.";
    NoMemory: "Al sistema no le queda memoria para Holdfast, que reinicia; la tarjeta está bien.", "Parar otros programas, o usar una placa con más memoria.";
    NoThreads: "El sistema no inicia más hilos para Holdfast, que reinicia; la tarjeta está bien.", "Subir el límite de procesos de su usuario o servicio (TasksMax).";
    ResetAsked: "Se confirmó en el aparato borrar todo.", "No cortar la corriente hasta que haya arrancado de nuevo.";
    ResetFailed: "No se pudo empezar a borrar; no se cambió nada.", "Revisar el almacenamiento: espacio libre, luego la tarjeta.";
    ResetUnfinished: "Se empezó a borrar y no se pudo terminar; lo que queda no se usa.", "Reiniciar para probar de nuevo; si sigue, grabar otra vez la tarjeta.";
    UnderVoltage: "La fuente es demasiado débil: su tensión cae por debajo de lo que la placa necesita.", "Usar la fuente que nombra el fabricante, con un cable corto, y desenchufar lo que la placa alimenta.";
    LedAbsent: "No se puede poner la línea de la lámpara.", "Revisar la descripción de la placa: led.lines.";
    DisplayIsSh1106: "La pantalla es un SH1106, no lo descrito; se maneja como tal.", "Poner board = \"raspberrypi-sh1106\" bajo [panel] en holdfast.toml.";
    DisplayIsSsd1306: "La pantalla es un SSD1306, no lo descrito; se maneja como tal.", "Poner board = \"raspberrypi\" bajo [panel] en holdfast.toml, o nada.";
    UpdateInstalled: "Hay una versión nueva instalada; el aparato se reinicia con ella.", "Dejar la corriente puesta hasta que haya arrancado.";
    UpdateUnproved: "La versión nueva no llegó a tiempo adonde debía; el aparato se reinicia.", "";
    UpdateFellBack: "La versión nueva no dio resultado; vuelve a funcionar la anterior.", "Leer `holdfastctl update status`; esa versión no se prueba otra vez por sí sola.";
    UpdateUnreachable: "No se puede leer la lista de versiones nuevas.", "Comprobar update.index, y que el router esté en internet.";
    UpdateUntrusted: "La clave de este aparato no ha firmado la lista de versiones nuevas.", "Comprobar update.index y update.key; entretanto no tomar nada de allí.";
    UpdateNotForUs: "La lista de versiones nuevas no tiene ninguna para este tipo de aparato.", "Comprobar update.index: es para otros aparatos.";
    UpdateNoRoom: "En la partición de datos no cabe una versión nueva.", "Que todos los bots lean sus mensajes, o usar una tarjeta mayor.";
    UpdateNotFetched: "La versión nueva no llegó entera; se vuelve a pedir.", "";
    UpdateRefused: "La versión nueva no se instaló; lo que funciona sigue igual.", "Leer `holdfastctl update status`: dice lo que dijo RAUC.";
    UpdateNoInstaller: "RAUC, que instala versiones nuevas, no responde.", "Mirar `systemctl status rauc`; si sigue así, reiniciar el aparato.";
    DisplayAbsent: "La pantalla no responde.", "Revisar su cable y su corriente; si su bus se cuelga, desenchufar diez segundos.";
    ButtonAbsent: "No se puede leer la línea del botón.", "Revisar el cableado del botón y la descripción de la placa.";
}
