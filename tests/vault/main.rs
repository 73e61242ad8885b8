//! The vault from outside: it agrees with the library's own stores, and it keeps what it promised.

mod conformance;
mod life;
mod recorded;
mod repair;
