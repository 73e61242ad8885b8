//! Portuguese.

use super::{Words, causes, screen};

const NOTHING: &str = "Nada a fazer";

// A screen, a line: title, what to do next, what there is to know, further advice.
#[rustfmt::skip]
pub(super) const WORDS: Words = Words {
    starting: screen("Iniciando", NOTHING, "Holdfast está iniciando", ""),
    repairing: screen("Reparando", "Não desligar", "os dados são reparados", ""),
    no_link: screen("Sem rede", "Ver cabo e Wi-Fi", "nada está conectado", ""),
    no_radio: screen("Sem rádio", "Usar um cabo", "falta o firmware dele", ""),
    no_address: screen("Sem IP", "Reiniciar roteador", "ele não dá endereço", ""),
    no_route: screen("Sem internet", "Ver o roteador", "ele não tem saída", ""),
    no_name: screen("Sem internet", "Ver o roteador", "não acha o WhatsApp", ""),
    clock: screen("Sem hora", NOTHING, "a rede vai acertar a hora", "botão: seguir sem ela"),
    connecting: screen("Conectando", NOTHING, "entrando no WhatsApp", ""),
    connected: screen("Conectado", NOTHING, "ao WhatsApp", ""),
    connected_as: "ao WhatsApp: ...{}",
    phone_away: screen("Sem celular", "Ligar o celular", "ou a conexão vai acabar", ""),
    weak_supply: screen("Energia fraca", "Trocar a fonte", "a tensão dela cai", ""),
    stale: screen("Sem resposta", NOTHING, "pergunta ao WhatsApp", ""),
    reconnecting: screen("Sem linha", NOTHING, "tentando, nº {}", ""),
    degraded: screen("Fora do ar", "Botão: tentar já", "tentativa {}", ""),
    replaced: screen("Substituído", "Desligar o outro", "uma cópia usa a conexão", "botão: retomar"),
    logged_out: screen("Sem sessão?", NOTHING, "pergunta ao WhatsApp", ""),
    banned: screen("Suspenso", "Ver o celular", "por um tempo", ""),
    blocked: screen("Bloqueado", "Seguir o celular", "conta bloqueada", "depois apertar o botão"),
    outdated: screen("Antigo", "Atualizar Holdfast", "WhatsApp quer um novo", ""),

    preparing: screen("Conectar", "Pegar o celular", "o código já vem", "Dispositivos conectados"),
    set_number_why: "QR pequeno? No arquivo",
    set_number: "pôr pairing.phone",
    scan: "Escanear",
    scan_where: "WhatsApp: Dispositivos conectados",
    enter: screen("", "Digitar no celular", "WhatsApp: Com número", ""),
    too_big: screen("Não cabe", "Pôr pairing.phone", "o QR é grande demais", "em holdfast.toml"),
    paused: screen("Sem conta", "Botão: novo código", "nenhum celular escaneou", ""),
    passkey: screen("Passkey", "Botão: tentar já", "WhatsApp pede uma", "ou holdfastctl passkey"),

    full: screen("Disco cheio", "Usar cartão maior", "ou que os bots leiam", "WhatsApp guarda o resto"),
    outbox_full: screen("Disco cheio", "Apagar não enviadas", "há demais por enviar", "holdfastctl outbox"),
    damaged: screen("Chaves ruins", "Avisar o técnico", "as duas cópias; guardadas", ""),
    not_permitted: screen("Sem acesso", "Avisar o técnico", "aos dados", ""),
    wrong_file: screen("Não é nosso", "Avisar o técnico", "onde ficam os dados", ""),
    read_only: screen("Só leitura", "Desligar e ligar", "nada pode ser salvo", "se seguir: outro cartão"),
    in_use: screen("Já em uso", "Desligar e ligar", "por outro Holdfast", ""),
    set_aside: screen("Ilegível", "Desligar e ligar", "os dados são mantidos", "se seguir: outro cartão"),
    failed: screen("Erro de disco", "Botão: tentar já", "dados fora de uso", "se seguir: outro cartão"),
    no_descriptors: screen("Sobrecarga", NOTHING, "muitos arquivos abertos", "o cartão está bom"),
    no_memory: screen("Sobrecarga", NOTHING, "não há mais memória", "o cartão está bom"),
    no_threads: screen("Sobrecarga", NOTHING, "processos demais", "o cartão está bom"),

    clean: screen("Parado", NOTHING, "em ordem, da última vez", ""),
    first_start: screen("Bem-vindo", NOTHING, "é o primeiro início", ""),
    process_crash: screen("Fechou", NOTHING, "Holdfast foi reiniciado", "ver: holdfastctl boot"),
    kernel_crash: screen("Caiu", NOTHING, "sistema foi reiniciado", "ver: holdfastctl boot"),
    watchdog: screen("Travou", NOTHING, "o vigia o reiniciou", "ver: holdfastctl boot"),
    power_loss: screen("Faltou luz", NOTHING, "cortou a última sessão", "ver: holdfastctl boot"),
    unknown_end: screen("Reiniciado", NOTHING, "a última vez foi cortada", "ver: holdfastctl boot"),
    settings: screen("Ajustes", "Corrigir o arquivo", "{}", "o resto é usado"),
    use_our_file: "Usar holdfast.toml",
    boot_partition: "na partição boot",
    line: "{}, linha {}",
    mistakes: "{} erros",
    network: screen("Rede", "Botão: mais", "", ""),
    no_key_next: "Pôr chave SSH",
    no_key_about: "ninguém pode entrar",
    no_key: "Sem chave SSH: ninguém pode entrar.",
    about: screen("Sobre", "Botão: voltar", "", ""),

    update_sought: screen("Atualiza", NOTHING, "procura uma mais nova", ""),
    updating: screen("Atualiza", "Não desligar", "versão nova: {} %", ""),
    update_starts: screen("Atualiza", "Não desligar", "reinicia sozinho", ""),
    fell_back: screen("Voltou", "Avisar o técnico", "a nova falhou", "holdfastctl update status"),

    relink: screen("Reconectar?", "Botão: sim", "corta ...{}, {}", ""),
    retires: "arquiva {}",
    holding: screen("Apertado", "Soltar: reconectar", "ou segurar: apagar tudo", ""),
    holding_unlinked: screen("Apertado", "Soltar: voltar", "ou segurar: apagar tudo", ""),
    reset: screen("Apagar tudo?", "Botão: sim, tudo", "conexões, Wi-Fi, chaves", ""),
    resetting: screen("Apagando", "Não desligar", "volta a iniciar sozinho", ""),
    reset_done: screen("Apagado", "Configurar de novo", "{} links, Wi-Fi, chaves", "botão: seguir"),
    links_gone: "{} conexões apagadas",
    things_left: "restam {} coisas",
    still_listed: "Tirar {} do celular",
    stopping: screen("Parando", "Não desligar", "tudo está sendo salvo", ""),
    stopped: screen("Parado", "Já pode desligar", "tudo está salvo", ""),

    next_try: "nova tentativa em {}",
    trying: "tentando agora",
    restarting: "reiniciando",
    goes_on: "segue em {}",
    ends_in: "termina em {}",
    no_in: "não em {}",
    erases_in: "apagar tudo em {}",
    left: "restam {}",
    ago: "há {}",
    now: "agora",

    since: "Há",
    address: "Endereço",
    host: "Nome",
    wifi: "Wi-Fi",
    good: "bom",
    fair: "médio",
    weak: "fraco",
    unread: "Não lidas",
    unsent: "Não enviadas",
    last_message: "Mensagem",
    last_run: "Última vez",
    version: "Versão",
    slot: "Slot",
    generation: "Conexão",
    audit: "Auditoria",
    export: "Exportado",
    never: "nunca",
    none: "-",

    cause,
};

causes! {
    NoLink: "Nenhum cabo está ligado e nenhum Wi-Fi conectado.", "Ver o cabo, ou o nome e a senha do Wi-Fi em holdfast.toml.";
    NoRadio: "Nenhum cabo está ligado e o rádio não iniciou; deve faltar o firmware dele.", "Usar um cabo, ou uma imagem feita com `--wifi-firmware`.";
    NoAddress: "A rede não dá endereço a este aparelho.", "Reiniciar o roteador.";
    NoRoute: "A rede não tem saída para fora.", "Ver se o roteador está na internet.";
    DnsFailed: "O nome do servidor do WhatsApp não é encontrado.", "Ver se o roteador está na internet.";
    DialFailed: "Não se alcança o servidor do WhatsApp.", "";
    ProxyFailed: "O proxy não deixa o Holdfast chegar ao WhatsApp.", "Ver network.proxy (ou HTTPS_PROXY), o acesso ao proxy e se ele deixa passar a porta 443.";
    TlsFailed: "Não se consegue uma conexão segura com o servidor do WhatsApp.", "Ver a hora, e se não há uma página de acesso ou um filtro no caminho.";
    HandshakeFailed: "A saudação com o WhatsApp falhou.", "";
    LoginTimeout: "O WhatsApp não respondeu a tempo.", "";
    Stale: "Nada mais chega do WhatsApp, e ele não responde.", "";
    Garbled: "O que chega do WhatsApp não pode ser decifrado; a conexão é refeita.", "";
    ConnectionLost: "A conexão com o WhatsApp foi perdida.", "";
    NotLinked: "Este aparelho não está conectado a nenhuma conta.", "Escanear o código com o WhatsApp: Configurações, Dispositivos conectados.";
    Revoked: "O WhatsApp encerrou a conexão com a conta.", "Escanear o código com o WhatsApp: Configurações, Dispositivos conectados.";
    Relinked: "Foi pedida uma nova conexão.", "Escanear o código com o WhatsApp: Configurações, Dispositivos conectados.";
    Restoring: "Uma conexão arquivada está sendo trazida de volta.", "";
    LogoutSuspected: "O WhatsApp diz que este aparelho está sem sessão; mais uma tentativa o dirá.", "";
    QrExhausted: "Nenhum celular escaneou o código.", "Apertar o botão, ou rodar `holdfastctl link`, para um novo código.";
    PairingBudget: "A conexão foi cortada vezes demais; o WhatsApp fica em paz por um tempo.", "Apertar o botão, ou rodar `holdfastctl link`, para um novo código.";
    PairFailed: "A resposta do celular não conferiu.", "Escanear o próximo código.";
    CodeTooLong: "O que o WhatsApp deu para escanear é longo demais para um código.", "Esperar o próximo código, ou conectar com número: pôr pairing.phone.";
    PasskeyNeeded: "O WhatsApp pede uma passkey, que este aparelho não pode dar.", "Responder com `holdfastctl passkey` onde a passkey está, ou apertar o botão.";
    PasskeyUnanswered: "O WhatsApp pediu uma passkey e não teve resposta a tempo.", "Apertar o botão e responder em dois minutos com `holdfastctl passkey`.";
    Replaced: "Outra cópia deste aparelho usa a sessão.", "Parar a outra cópia, depois apertar o botão.";
    Restart: "O WhatsApp pediu um reinício.", "";
    RestartLoop: "O WhatsApp pede para reiniciar vez após vez.", "";
    Restrained: "Houve muitas tentativas em poucos minutos; o WhatsApp fica em paz por um tempo.", "";
    Throttled: "O WhatsApp pede para ir mais devagar.", "";
    ClientOutdated: "O WhatsApp não aceita mais esta versão.", "Atualizar o Holdfast: `holdfastctl update`, ou pôr update.automatic.";
    Refused: "O WhatsApp recusou a conexão.", "";
    LinkStuck: "A conexão não termina, embora isso tenha sido ordenado.", "Reiniciar o Holdfast se continuar.";
    SelfTestFailed: "O WhatsApp não respondeu a um teste; a conexão é refeita.", "";
    EchoMissing: "O WhatsApp aceita mensagens, mas um teste não chegou ao celular.", "Ver se o celular está ligado e tem rede.";
    Stopped: "Foi pedido ao Holdfast que parasse.", "Iniciar de novo quando for preciso.";
    AccountLocked: "O WhatsApp bloqueou a conta.", "Abrir o WhatsApp no celular e seguir seu conselho; depois apertar o botão.";
    NoNewChats: "O WhatsApp não deixa a conta escrever a quem ainda não tem conversa com ela.", "Esperar que escrevam primeiro ou que isso acabe; não escrever mais a estranhos.";
    PhoneAway: "O celular conectado não é visto há 12 dias; aos 14 o WhatsApp encerra a conexão.", "Ligar esse celular, com rede, e abrir o WhatsApp nele.";
    Banned: "O WhatsApp suspendeu a conta por um tempo.", "Abrir o WhatsApp no celular e ler por quê; o Holdfast espera o fim.";
    ClockBehind: "O relógio está atrás da última vez; a rede precisa acertá-lo.", "Ver se o roteador está na internet e deixa passar NTP (porta UDP 123).";
    ClockFloor: "A rede não acertou o relógio; o Holdfast segue com a hora da última vez.", "Ver se o roteador está na internet e deixa passar NTP (porta UDP 123).";
    LittleSpace: "A partição de dados está ficando cheia.", "Que cada bot leia suas mensagens, ou usar um cartão maior.";
    NoSpace: "A partição de dados está cheia; o WhatsApp guarda as mensagens.", "Que cada bot leia suas mensagens, tirar o que não é do Holdfast, ou usar um cartão maior.";
    OutboxFull: "Mensagens por enviar enchem a partição de dados; o WhatsApp guarda as recebidas.", "Apagar o que não precisa ser enviado: `holdfastctl outbox`.";
    Unread: "Muitas mensagens recebidas esperam leitura.", "Ver se cada bot funciona e confirma o que leu.";
    ConsumerAway: "Guardam-se mensagens para um bot que não vem há muito, embora os outros venham.", "Iniciá-lo de novo, ou esquecê-lo: `holdfastctl inbox consumers`.";
    ConsumerForgotten: "Um bot demorou demais a vir; não se guardam mais mensagens para ele.", "Iniciá-lo de novo, ou esquecê-lo: `holdfastctl inbox consumers`.";
    ManyRecords: "As chaves já são tantas que cada início demora mais.", "Nada está errado; uma nova conexão, quando convier, começa com poucas.";
    OpenFailed: "A partição de dados não pode ser aberta.", "Apertar o botão para tentar de novo; se continuar, trocar o cartão.";
    NotPermitted: "O Holdfast não pode usar seu diretório de dados.", "Dar o diretório ao usuário com que o Holdfast roda; `holdfastctl boot` nomeia o arquivo.";
    WrongFile: "Há outra coisa onde o Holdfast guarda seus dados.", "Tirá-la dali; a tela e o registro a nomeiam.";
    ReadOnly: "A partição de dados é só de leitura.", "Reiniciar para que seja verificada; se continuar, trocar o cartão.";
    InUse: "Outro Holdfast que não terminou tem as chaves abertas; nada foi mudado.", "Encerrar esse processo, ou desligar e ligar o aparelho.";
    SetAside: "A partição de dados não tem conserto; foi posta de lado, e nada nela foi mudado.", "Reiniciar para tentar de novo; se continuar, trocar o cartão.";
    MediumFailed: "A partição de dados falhou.", "Apertar o botão para tentar de novo; se continuar, trocar o cartão.";
    IdentityDamaged: "As chaves deste aparelho estão danificadas nas duas cópias; nada foi mudado.", "Tirar dali o diretório da conexão; depois conectar de novo, ou trazer um arquivo: `holdfastctl archive import`.";
    VaultFailed: "As chaves não puderam ser lidas ou escritas.", "Ver o armazenamento: espaço livre, depois o cartão.";
    KeysRepaired: "Algumas chaves estavam danificadas e foram reparadas; a conexão está intacta.", "";
    KeysRebuilt: "As chaves de sessão estavam danificadas ou velhas e são refeitas; a conexão está intacta.", "";
    KeysRenewed: "Mensagens de vários contatos não puderam ser decifradas, então chaves são refeitas; a conexão está intacta.", "";
    OlderCopy: "Uma cópia antiga dos dados foi posta de volta; chaves são refeitas, a conexão está intacta.", "Levar ou guardar uma conexão com `holdfastctl archive export`, nunca copiando os dados.";
    Undecryptable: "Mensagens de vários contatos não se decifram nem com chaves novas; são pedidas de novo.", "";
    RepairSlow: "O reparo das chaves demora mais do que devia.", "Se continuar, reiniciar o Holdfast; se voltar, trocar o cartão.";
    RetireFailed: "A conexão antiga não pôde ser arquivada; está intacta.", "Ver o armazenamento: espaço livre, depois o cartão.";
    RestoreFailed: "A conexão arquivada não pôde ser trazida de volta; a atual está intacta.", "Ler o motivo no registro; ver o armazenamento: espaço livre, depois o cartão.";
    RetireSlow: "Arquivar a conexão antiga demora mais do que devia.", "Se continuar, reiniciar o Holdfast; se voltar, trocar o cartão.";
    NoDescriptors: "O sistema não tem mais descritores para o Holdfast, que reinicia; o cartão está bom.", "Fechar programas que mantêm muitos arquivos ou conexões abertos.";
    NoMemory: "O sistema não tem mais memória para o Holdfast, que reinicia; o cartão está bom.", "Parar outros programas, ou usar uma placa com mais memória.";
    NoThreads: "O sistema não inicia mais threads para o Holdfast, que reinicia; o cartão está bom.", "Aumentar o limite de processos do seu usuário ou serviço (TasksMax).";
    ResetAsked: "Foi confirmado no aparelho apagar tudo.", "Não cortar a energia até que tenha iniciado de novo.";
    ResetFailed: "Não se pôde começar a apagar; nada foi mudado.", "Ver o armazenamento: espaço livre, depois o cartão.";
    ResetUnfinished: "Começou-se a apagar e não se pôde terminar; o que resta não é usado.", "Reiniciar para tentar de novo; se continuar, gravar o cartão outra vez.";
    UnderVoltage: "A fonte é fraca demais: sua tensão cai abaixo do que a placa precisa.", "Usar a fonte que o fabricante indica, com cabo curto, e desligar o que a placa alimenta.";
    LedAbsent: "A linha da lâmpada não pode ser posta.", "Ver a descrição da placa: led.lines.";
    DisplayIsSh1106: "A tela é um SH1106, não o descrito; é usada como tal.", "Pôr board = \"raspberrypi-sh1106\" em [panel] no holdfast.toml.";
    DisplayIsSsd1306: "A tela é um SSD1306, não o descrito; é usada como tal.", "Pôr board = \"raspberrypi\" em [panel] no holdfast.toml, ou nada.";
    UpdateInstalled: "Há uma versão nova instalada; o aparelho reinicia com ela.", "Deixar a energia ligada até ele ter arrancado.";
    UpdateUnproved: "A versão nova não chegou a tempo aonde devia; o aparelho reinicia.", "";
    UpdateFellBack: "A versão nova não deu resultado; a anterior volta a funcionar.", "Ler `holdfastctl update status`; essa versão não é tentada outra vez por si só.";
    UpdateUnreachable: "Não se consegue ler a lista de versões novas.", "Verificar update.index, e se o roteador está na internet.";
    UpdateUntrusted: "A chave deste aparelho não assinou a lista de versões novas.", "Verificar update.index e update.key; até lá não tirar nada dali.";
    UpdateNotForUs: "A lista de versões novas não tem nenhuma para este tipo de aparelho.", "Verificar update.index: é para outros aparelhos.";
    UpdateNoRoom: "Na partição de dados não cabe uma versão nova.", "Fazer todos os bots lerem as mensagens, ou usar um cartão maior.";
    UpdateNotFetched: "A versão nova não chegou inteira; será pedida outra vez.", "";
    UpdateRefused: "A versão nova não foi instalada; o que funciona ficou igual.", "Ler `holdfastctl update status`: diz o que o RAUC disse.";
    UpdateNoInstaller: "O RAUC, que instala versões novas, não responde.", "Ver `systemctl status rauc`; se continuar, reiniciar o aparelho.";
    DisplayAbsent: "A tela não responde.", "Ver o cabo e a energia da tela; se o barramento travar, tirar da tomada por dez segundos.";
    ButtonAbsent: "A linha do botão não pode ser lida.", "Ver a fiação do botão e a descrição da placa.";
}
