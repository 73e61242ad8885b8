//! The bus as its clients meet it: on a message bus of our own, on the private socket, and through `holdfastctl`.

mod bus {
    mod archive;
    mod ctl;
    mod interfaces;
    mod line;
    mod mail;
    mod peer;
    mod places;
    mod rig;
    mod roles;
    mod room;
    mod settings;
    #[path = "../tool.rs"]
    mod tool;
    mod update;
}
