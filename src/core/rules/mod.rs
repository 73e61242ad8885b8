//! The rules: what is decided about the whole state. Each adds methods to [`crate::turn::Turn`], and they meet nowhere else.

mod button;
mod chores;
mod clock;
mod deeds;
mod endings;
mod farewell;
mod leave;
mod logout;
mod network;
mod notify;
mod pairing;
mod past;
mod probe;
mod radio;
mod reconnect;
mod relink;
mod repair;
mod reset;
mod room;
mod self_test;
mod sends;
mod start;
mod storm;
mod supply;
mod update;
