//! Which service usually listens behind a port.

/// The service behind `peer` (`10.0.0.5:5432`, `[::1]:6379`, a socket path), if
/// its port or path is a usual one. A guess by convention: said beside the peer,
/// never instead of it.
pub fn service_name(peer: &str) -> Option<&'static str> {
    if peer.starts_with('/') || peer.starts_with('@') {
        return path_service(peer);
    }
    let port: u16 = peer.rsplit_once(':')?.1.parse().ok()?;
    Some(match port {
        22 => "ssh",
        25 | 465 | 587 => "smtp",
        53 => "dns",
        80 | 8080 => "http",
        143 | 993 => "imap",
        389 | 636 => "ldap",
        443 | 8443 => "https",
        1433 => "sql server",
        1521 => "oracle",
        2379 => "etcd",
        3306 => "mysql",
        4222 => "nats",
        5432 | 6432 => "postgresql",
        5672 => "amqp",
        6379 => "redis",
        8500 => "consul",
        9042 => "cassandra",
        9092 => "kafka",
        9200 => "elasticsearch",
        11211 => "memcached",
        27017 => "mongodb",
        _ => return None,
    })
}

fn path_service(path: &str) -> Option<&'static str> {
    const PATHS: [(&str, &str); 4] = [
        (".s.PGSQL.", "postgresql"),
        ("mysql", "mysql"),
        ("redis", "redis"),
        ("docker.sock", "docker"),
    ];
    PATHS
        .iter()
        .find(|(mark, _)| path.contains(mark))
        .map(|&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::service_name;

    #[test]
    fn usual_ports_and_paths() {
        assert_eq!(service_name("10.0.0.5:5432"), Some("postgresql"));
        assert_eq!(service_name("[::1]:6379"), Some("redis"));
        assert_eq!(
            service_name("/run/postgresql/.s.PGSQL.5432"),
            Some("postgresql")
        );
        assert_eq!(service_name("10.0.0.5:40123"), None);
        assert_eq!(service_name("nonsense"), None);
    }
}
