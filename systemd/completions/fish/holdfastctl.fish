# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_holdfastctl_global_optspecs
    string join \n json bus= runtime= h/help V/version
end

function __fish_holdfastctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_holdfastctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_holdfastctl_using_subcommand
    set -l cmd (__fish_holdfastctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -s V -l version -d 'Print version'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "status" -d 'Show how the session is, why, and what to do'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "wait" -d 'Wait until the session is in a state'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "link" -d 'Link, or connect, now instead of waiting'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "relink" -d 'Retire the present link to the archive and link anew: the phone has to scan again'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "send" -d 'Send a text message'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "outbox" -d 'Show what waits to be sent, and why it still does'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "inbox" -d 'Show received messages, or who reads them'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "vault" -d 'Show what the vault holds, what it writes and why, and how long the card lasts'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "boot" -d 'Show how the last run ended, and how this start went'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "incidents" -d 'Show what went wrong, since when, what was done about it, and how long it took'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "self-test" -d 'Find out whether a message gets through'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "last-words" -d 'Show what WhatsApp said when it refused or ended a connection. It may name the account'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "passkey" -d 'Go on with a linking that WhatsApp wants a passkey for'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "archive" -d 'Retired links: see them, bring one back, hand one out, take one in'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "audit" -d 'The record of who had what done'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "update" -d 'Install a new version of the device, the newest where none is named, and restart into it'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "settings" -d 'Show how the machine is set up, or change it: name, Wi-Fi, address, who comes in over SSH'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "panel" -d 'The screen and its wires'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "screen" -d 'Show the screen, here or as a picture'
complete -c holdfastctl -n "__fish_holdfastctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand status" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand status" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand status" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand wait" -l state -d 'Wait for the state of this name, such as `Pairing`' -r -f -a "Starting\t''
Repairing\t''
WaitingForClock\t''
WaitingForNetwork\t''
Connecting\t''
Connected\t''
Stale\t''
Reconnecting\t''
Degraded\t''
Replaced\t''
LogoutSuspected\t''
Pairing\t''
PairingPaused\t''
PasskeyNeeded\t''
Banned\t''
ClientOutdated\t''
StorageFault\t''
Resetting\t''
Updating\t''
Stopped\t''"
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand wait" -l timeout -d 'Give up after so many seconds' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand wait" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand wait" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand wait" -l connected -d 'Wait for `Connected` (this is the default)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand wait" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand wait" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand link" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand link" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand link" -l show -d 'Draw the screen here until a phone has scanned it and the session is connected'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand link" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand link" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand relink" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand relink" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand relink" -l yes -d 'Do not ask'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand relink" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand relink" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand send" -l id -d 'The id to send under; the same id again is the same message' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand send" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand send" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand send" -l wait -d 'Wait until WhatsApp has it, or refuses it'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand send" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand send" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and not __fish_seen_subcommand_from drop help" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and not __fish_seen_subcommand_from drop help" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and not __fish_seen_subcommand_from drop help" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and not __fish_seen_subcommand_from drop help" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and not __fish_seen_subcommand_from drop help" -f -a "drop" -d 'Have a message fail as `failed dropped`, and never send it'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and not __fish_seen_subcommand_from drop help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and __fish_seen_subcommand_from drop" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and __fish_seen_subcommand_from drop" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and __fish_seen_subcommand_from help" -f -a "drop" -d 'Have a message fail as `failed dropped`, and never send it'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand outbox; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -l consumer -d 'Whose place in the inbox to start from' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -l max -d 'At most so many messages' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -l follow -d 'Go on with messages as they come'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -l ack -d 'Acknowledge what was shown: the next time begins after it'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -f -a "consumers" -d 'Show for whom messages are kept, and how far each is'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -f -a "forget" -d 'Keep nothing for a consumer any more: it is gone for good'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and not __fish_seen_subcommand_from consumers forget help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from consumers" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from consumers" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from consumers" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from consumers" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from forget" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from forget" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from forget" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from forget" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from help" -f -a "consumers" -d 'Show for whom messages are kept, and how far each is'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from help" -f -a "forget" -d 'Keep nothing for a consumer any more: it is gone for good'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand inbox; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand vault" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand vault" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand vault" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand vault" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand boot" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand boot" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand boot" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand boot" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand incidents" -l max -d 'At most so many, the newest last; 0: as many as fit' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand incidents" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand incidents" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand incidents" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand incidents" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand self-test" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand self-test" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand self-test" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand self-test" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand last-words" -l max -d 'At most so many, the newest last; 0: all that are kept' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand last-words" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand last-words" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand last-words" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand last-words" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and not __fish_seen_subcommand_from show answer confirm help" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and not __fish_seen_subcommand_from show answer confirm help" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and not __fish_seen_subcommand_from show answer confirm help" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and not __fish_seen_subcommand_from show answer confirm help" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and not __fish_seen_subcommand_from show answer confirm help" -f -a "show" -d 'Show what is to be signed, as JSON for `navigator.credentials.get`, and the code once there is one'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and not __fish_seen_subcommand_from show answer confirm help" -f -a "answer" -d 'Hand on the signed assertion, as JSON'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and not __fish_seen_subcommand_from show answer confirm help" -f -a "confirm" -d 'Say that the phone shows the same code'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and not __fish_seen_subcommand_from show answer confirm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from show" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from show" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from show" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from answer" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from answer" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from answer" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from answer" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from confirm" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from confirm" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from confirm" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from confirm" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show what is to be signed, as JSON for `navigator.credentials.get`, and the code once there is one'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from help" -f -a "answer" -d 'Hand on the signed assertion, as JSON'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from help" -f -a "confirm" -d 'Say that the phone shows the same code'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand passkey; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -f -a "list" -d 'List what is there'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -f -a "show" -d 'Show one archive, and what a restore would bring back'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -f -a "restore" -d 'Bring one back: the present link is retired, and Holdfast logs in with the old one. Needs no phone'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -f -a "export" -d 'Hand one out as a file encrypted with a passphrase. It is not restored here any more'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -f -a "import" -d 'Take an exported file in; `restore` brings it to life'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and not __fish_seen_subcommand_from list show restore export import help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from list" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from list" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from list" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from show" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from show" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from show" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from restore" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from restore" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from restore" -l yes -d 'Do not ask'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from restore" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from export" -l passphrase-file -d 'The passphrase is the first line of this file' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from export" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from export" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from export" -l yes -d 'Do not ask'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from export" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from import" -l passphrase-file -d 'The passphrase is the first line of this file' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from import" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from import" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from import" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "list" -d 'List what is there'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show one archive, and what a restore would bring back'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "restore" -d 'Bring one back: the present link is retired, and Holdfast logs in with the old one. Needs no phone'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "export" -d 'Hand one out as a file encrypted with a passphrase. It is not restored here any more'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "import" -d 'Take an exported file in; `restore` brings it to life'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand archive; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and not __fish_seen_subcommand_from verify show help" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and not __fish_seen_subcommand_from verify show help" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and not __fish_seen_subcommand_from verify show help" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and not __fish_seen_subcommand_from verify show help" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and not __fish_seen_subcommand_from verify show help" -f -a "verify" -d 'Check that no entry was altered, dropped or moved. Exit code 1 when one was'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and not __fish_seen_subcommand_from verify show help" -f -a "show" -d 'Show the entries'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and not __fish_seen_subcommand_from verify show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l from -d 'From this number on' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from show" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check that no entry was altered, dropped or moved. Exit code 1 when one was'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show the entries'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and not __fish_seen_subcommand_from status help" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and not __fish_seen_subcommand_from status help" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and not __fish_seen_subcommand_from status help" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and not __fish_seen_subcommand_from status help" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and not __fish_seen_subcommand_from status help" -a "status" -d 'Show what runs, what lies in the other slot, what is under way, and what became of the last update'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and not __fish_seen_subcommand_from status help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and __fish_seen_subcommand_from status" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and __fish_seen_subcommand_from status" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and __fish_seen_subcommand_from status" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show what runs, what lies in the other slot, what is under way, and what became of the last update'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand update; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -f -a "name" -d 'Name the machine, as it is found on the network: NAME.local'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -f -a "time-zone" -d 'Say in which time zone the times of the journal are read'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -f -a "language" -d 'Choose what the screen is written in'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -f -a "wifi" -d 'Join a Wi-Fi, or leave one'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -f -a "address" -d 'Give the cable or the Wi-Fi a fixed address, or take it back'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -f -a "key" -d 'Who may come in over SSH'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and not __fish_seen_subcommand_from name time-zone language wifi address key help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from name" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from name" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from name" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from name" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from time-zone" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from time-zone" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from time-zone" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from time-zone" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from language" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from language" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from language" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from language" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from wifi" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from wifi" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from wifi" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from wifi" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from wifi" -f -a "join" -d 'Join a network; its password is asked for, or read from standard input. The others stay, for where this one is not'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from wifi" -f -a "leave" -d 'Leave a network'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from wifi" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from address" -l gateway -d 'Who passes on to other networks' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from address" -l dns -d 'Who knows names' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from address" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from address" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from address" -l force -d 'Keep it wherever it leads: to a network that is not here, or to nobody who could come in'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from address" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from address" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from key" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from key" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from key" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from key" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from key" -f -a "list" -d 'List them by their fingerprints'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from key" -f -a "add" -d 'Let one more in'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from key" -f -a "remove" -d 'Let one in no more'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from key" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from help" -f -a "name" -d 'Name the machine, as it is found on the network: NAME.local'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from help" -f -a "time-zone" -d 'Say in which time zone the times of the journal are read'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from help" -f -a "language" -d 'Choose what the screen is written in'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from help" -f -a "wifi" -d 'Join a Wi-Fi, or leave one'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from help" -f -a "address" -d 'Give the cable or the Wi-Fi a fixed address, or take it back'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from help" -f -a "key" -d 'Who may come in over SSH'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand settings; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and not __fish_seen_subcommand_from probe help" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and not __fish_seen_subcommand_from probe help" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and not __fish_seen_subcommand_from probe help" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and not __fish_seen_subcommand_from probe help" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and not __fish_seen_subcommand_from probe help" -f -a "probe" -d 'Tell what answers on this machine\'s buses, and the lines to write. Needs no daemon, and harms none; needs access to the buses'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and not __fish_seen_subcommand_from probe help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and __fish_seen_subcommand_from probe" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and __fish_seen_subcommand_from probe" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and __fish_seen_subcommand_from probe" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and __fish_seen_subcommand_from probe" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and __fish_seen_subcommand_from help" -f -a "probe" -d 'Tell what answers on this machine\'s buses, and the lines to write. Needs no daemon, and harms none; needs access to the buses'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand panel; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand screen" -l png -d 'Write it as a PNG' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand screen" -l bus -d 'Look on the message bus at this D-Bus address only' -r
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand screen" -l runtime -d 'Look for the daemon with this runtime directory only' -r -F
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand screen" -l json -d 'Print JSON, one object a line'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand screen" -s h -l help -d 'Print help'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "status" -d 'Show how the session is, why, and what to do'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "wait" -d 'Wait until the session is in a state'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "link" -d 'Link, or connect, now instead of waiting'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "relink" -d 'Retire the present link to the archive and link anew: the phone has to scan again'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "send" -d 'Send a text message'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "outbox" -d 'Show what waits to be sent, and why it still does'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "inbox" -d 'Show received messages, or who reads them'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "vault" -d 'Show what the vault holds, what it writes and why, and how long the card lasts'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "boot" -d 'Show how the last run ended, and how this start went'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "incidents" -d 'Show what went wrong, since when, what was done about it, and how long it took'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "self-test" -d 'Find out whether a message gets through'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "last-words" -d 'Show what WhatsApp said when it refused or ended a connection. It may name the account'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "passkey" -d 'Go on with a linking that WhatsApp wants a passkey for'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "archive" -d 'Retired links: see them, bring one back, hand one out, take one in'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "audit" -d 'The record of who had what done'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "update" -d 'Install a new version of the device, the newest where none is named, and restart into it'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "settings" -d 'Show how the machine is set up, or change it: name, Wi-Fi, address, who comes in over SSH'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "panel" -d 'The screen and its wires'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "screen" -d 'Show the screen, here or as a picture'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and not __fish_seen_subcommand_from status wait link relink send outbox inbox vault boot incidents self-test last-words passkey archive audit update settings panel screen help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from outbox" -f -a "drop" -d 'Have a message fail as `failed dropped`, and never send it'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from inbox" -f -a "consumers" -d 'Show for whom messages are kept, and how far each is'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from inbox" -f -a "forget" -d 'Keep nothing for a consumer any more: it is gone for good'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from passkey" -f -a "show" -d 'Show what is to be signed, as JSON for `navigator.credentials.get`, and the code once there is one'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from passkey" -f -a "answer" -d 'Hand on the signed assertion, as JSON'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from passkey" -f -a "confirm" -d 'Say that the phone shows the same code'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "list" -d 'List what is there'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "show" -d 'Show one archive, and what a restore would bring back'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "restore" -d 'Bring one back: the present link is retired, and Holdfast logs in with the old one. Needs no phone'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "export" -d 'Hand one out as a file encrypted with a passphrase. It is not restored here any more'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from archive" -f -a "import" -d 'Take an exported file in; `restore` brings it to life'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "verify" -d 'Check that no entry was altered, dropped or moved. Exit code 1 when one was'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "show" -d 'Show the entries'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from update" -f -a "status" -d 'Show what runs, what lies in the other slot, what is under way, and what became of the last update'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from settings" -f -a "name" -d 'Name the machine, as it is found on the network: NAME.local'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from settings" -f -a "time-zone" -d 'Say in which time zone the times of the journal are read'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from settings" -f -a "language" -d 'Choose what the screen is written in'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from settings" -f -a "wifi" -d 'Join a Wi-Fi, or leave one'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from settings" -f -a "address" -d 'Give the cable or the Wi-Fi a fixed address, or take it back'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from settings" -f -a "key" -d 'Who may come in over SSH'
complete -c holdfastctl -n "__fish_holdfastctl_using_subcommand help; and __fish_seen_subcommand_from panel" -f -a "probe" -d 'Tell what answers on this machine\'s buses, and the lines to write. Needs no daemon, and harms none; needs access to the buses'
