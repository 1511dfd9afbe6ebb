use super::*;

/// Sets a key and shows the settings before and after: they must differ.
fn flip(name: &str, value: &str) -> Settings {
    let mut settings = Settings::default();
    let before = format!("{settings:?}");
    settings.set(name, value).unwrap();
    assert_ne!(before, format!("{settings:?}"), "{name} is read by nobody");
    settings
}

#[test]
fn every_key_flips_something() {
    let values = [
        ("data", "/x"),
        ("node_id", "7"),
        ("cores", "3"),
        ("runtime", "glommio"),
        ("spin", "true"),
        ("latency", "low"),
        ("insecure", "true"),
        ("kafka.listen", "127.0.0.1:1"),
        ("kafka.advertise", "h:1"),
        ("native.listen", "127.0.0.1:3"),
        ("native.advertise", "h"),
        ("kafka.connections_max", "5"),
        ("kafka.memory_bytes", "512MiB"),
        ("kafka.request_wait_seconds", "7"),
        ("kafka.response_wait_seconds", "7"),
        ("http.wait_seconds", "7"),
        ("http.listen", "127.0.0.1:2"),
        ("log.journal_file_bytes", "1MiB"),
        ("log.journal_files_max", "9"),
        ("log.unsettled_bytes", "16MiB"),
        ("log.tail_cache_bytes", "0"),
        ("log.block_cache_bytes", "1MiB"),
        ("log.compaction_bytes", "1MiB"),
        ("log.disk_reserve_bytes", "1GiB"),
    ];
    assert_eq!(values.len(), KEYS.len(), "one value for each key");
    for (name, value) in values {
        flip(name, value);
    }
    flip("broker.num.partitions", "3");
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    let mut settings = Settings::default();
    let refused = settings.set("kafka.lisen", "x").unwrap_err();
    assert_eq!(
        refused,
        "there is no setting kafka.lisen: did you mean kafka.listen?"
    );
    let refused = settings.read_toml("[kafka]\nlisten = 5\n").unwrap_err();
    assert!(refused.contains("such as 127.0.0.1:9092"), "{refused}");
    let refused = settings.set("nope", "x").unwrap_err();
    assert_eq!(refused, "there is no setting nope");
    let refused = settings.set("broker.num.partitons", "1").unwrap_err();
    assert!(refused.contains("num.partitions"), "{refused}");
}

#[test]
fn later_sources_win() {
    let mut settings = Settings::default();
    let text =
        "cores = [0, 1]\n[kafka]\nlisten = \"127.0.0.1:5\"\n[broker]\n\"num.partitions\" = 4\n";
    settings.read_toml(text).unwrap();
    assert_eq!(settings.cores, CoreChoice::Cpus(vec![0, 1]));
    let variables = [
        ("CORELOG_KAFKA__LISTEN", "127.0.0.1:6"),
        ("CORELOG_BROKER__NUM_PARTITIONS", "5"),
        ("CORELOG_BOOTSTRAP", "elsewhere"),
        ("PATH", "/bin"),
        ("CORELOG_SERVICE_HOST", "10.0.0.1"),
        ("CORELOG_PORT", "tcp://10.0.0.1:9092"),
        ("CORELOG_PORT_9092_TCP_ADDR", "10.0.0.1"),
    ];
    let variables = variables.map(|(k, v)| (k.to_owned(), v.to_owned()));
    settings.read_environment(variables.into_iter()).unwrap();
    assert_eq!(settings.kafka_listen.port(), 6);
    assert_eq!(settings.broker["num.partitions"], "5");
    let wrong = [("CORELOG_DATAA".to_owned(), "x".to_owned())];
    let refused = settings.read_environment(wrong.into_iter()).unwrap_err();
    assert!(refused.contains("CORELOG_DATAA") && refused.contains("did you mean data?"));
}

#[test]
fn cores_are_a_count_or_a_list() {
    assert_eq!(core_choice("2"), Ok(CoreChoice::Count(2)));
    assert_eq!(core_choice("0,2-3"), Ok(CoreChoice::Cpus(vec![0, 2, 3])));
    assert_eq!(core_choice("1,"), Ok(CoreChoice::Cpus(vec![1])));
    for wrong in ["0", "", "a", "3-1", "1,1", "257"] {
        assert!(core_choice(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn others_are_served_only_on_purpose() {
    let check = |pairs: &[(&str, &str)]| {
        let mut settings = Settings::default();
        for (name, value) in pairs {
            settings.set(name, value).unwrap();
        }
        settings.check()
    };
    assert!(check(&[]).is_ok());
    let refused = check(&[("kafka.listen", "0.0.0.0:9092"), ("insecure", "true")]);
    assert!(refused.unwrap_err().contains("--advertise-kafka"));
    let refused = check(&[("kafka.listen", "10.0.0.1:9092")]);
    assert!(refused.unwrap_err().contains("--insecure"));
    let wildcard = [
        ("kafka.listen", "0.0.0.0:9092"),
        ("kafka.advertise", "me:9092"),
        ("insecure", "true"),
    ];
    assert!(check(&wildcard).is_ok());
    assert!(check(&[("http.listen", "0.0.0.0:1")]).is_err());
    let refused = check(&[("native.listen", "10.0.0.1:9192")]);
    assert!(refused.unwrap_err().contains("--insecure"));
    let refused = check(&[("native.listen", "0.0.0.0:9192"), ("insecure", "true")]);
    assert!(refused.unwrap_err().contains("--advertise-native"));
    let wildcard = [
        ("native.listen", "0.0.0.0:9192"),
        ("native.advertise", "me"),
        ("insecure", "true"),
    ];
    assert!(check(&wildcard).is_ok());
}

#[test]
fn the_native_protocol_is_beside_kafkas_unless_it_is_told_otherwise() {
    let listen = |pairs: &[(&str, &str)]| {
        let mut settings = Settings::default();
        for (name, value) in pairs {
            settings.set(name, value).unwrap();
        }
        settings
            .native_listen()
            .map(|at| at.map(|at| at.to_string()))
    };
    assert_eq!(listen(&[]), Ok(Some("127.0.0.1:9192".into())));
    // Never open to others by itself.
    let moved = listen(&[("kafka.listen", "0.0.0.0:5000")]);
    assert_eq!(moved, Ok(Some("127.0.0.1:5100".into())));
    assert_eq!(listen(&[("native.listen", "off")]), Ok(None));
    let named = listen(&[("native.listen", "127.0.0.1:7000")]);
    assert_eq!(named, Ok(Some("127.0.0.1:7000".into())));
    assert!(listen(&[("kafka.listen", "127.0.0.1:65500")]).is_err());
    assert!(listen(&[("native.listen", "127.0.0.1:0")]).is_err());
    let mut settings = Settings::default();
    assert!(settings.set("native.advertise", "me:9192").is_err());
}

#[test]
fn advertised_addresses_are_what_clients_connect_to() {
    let check = |text: &str, host: &str, port: u16| {
        assert_eq!(host_port(text), Ok((host.to_owned(), port)), "{text}");
    };
    check("broker1.example.org:9092", "broker1.example.org", 9092);
    check("[2001:db8::1]:9092", "2001:db8::1", 9092);
    for wrong in ["", ":1", "host", "host:0", "host:65536", "[]:1"] {
        assert!(host_port(wrong).is_err(), "{wrong}");
    }
}
