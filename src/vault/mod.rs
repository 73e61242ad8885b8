//! The memory: what the device is, kept so that a pulled plug costs nothing.

mod data_dir;

pub use data_dir::DataDir;
