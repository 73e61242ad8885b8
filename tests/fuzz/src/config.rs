//! A TOML file of the configuration: the owner's, where what is wrong is told and left out, and an operator's, where it is an error.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use holdfast::config::{Args, Config, Places};

/// Loads it as both.
pub fn is_read(input: &[u8]) {
    let place = tempfile::tempdir().expect("a place");
    let file = place.path().join("holdfast.toml");
    fs::write(&file, input).expect("a file");
    let nothing = place.path().join("nothing");
    let load = |owner: PathBuf, config| {
        let places = Places {
            fragments: Vec::new(),
            owner: vec![owner],
            boards: nothing.clone(),
            models: Vec::new(),
            appliance_data: nothing.clone(),
            user_runtime: None,
            environment: HashMap::new(),
        };
        let args = Args {
            config,
            board: Some("headless".to_owned()),
            data: Some(nothing.clone()),
            runtime: Some(nothing.clone()),
        };
        Config::load(&args, &places)
    };
    let owners = load(file.clone(), Vec::new())
        .expect("the owner's file never keeps Holdfast from starting");
    let again = load(file.clone(), Vec::new()).expect("as before");
    assert_eq!(
        format!("{:?}", owners.settings),
        format!("{:?}", again.settings),
        "the same file is read in the same way"
    );
    for problem in &owners.ignored {
        assert!(problem.to_string().contains("holdfast.toml"), "{problem}");
    }
    match load(nothing.join("none"), vec![file]) {
        Ok(config) => assert!(config.ignored.is_empty()),
        Err(error) => assert!(error.to_string().contains("holdfast.toml"), "{error}"),
    }
}
