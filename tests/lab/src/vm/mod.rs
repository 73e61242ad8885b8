//! A virtual board: the card's image in QEMU, met as its owner and its operator meet it.
//!
//! A [`card`] is the image with the owner's settings on it; a [`machine`] is a board with that card in it, under power;
//! [`operator`] is who has SSH to it. Its panel is a program [`inside`], or a [`paper`] outside, of which `acpi` tells its kernel.

mod acpi;
pub mod card;
pub mod inside;
pub mod machine;
pub mod operator;
pub mod paper;
pub mod scene;
