//! The syntax of `EXPOSE`: `80`, `80/udp`, `8000-8010/tcp`.

/// The ports in `spec`, each as `NUMBER/PROTOCOL`; or what is wrong with it.
pub(super) fn parse(spec: &str) -> Result<Vec<String>, String> {
    let (ports, protocol) = match spec.split_once('/') {
        Some((ports, protocol)) if !protocol.is_empty() => (ports, protocol.to_ascii_lowercase()),
        Some((ports, _)) => (ports, "tcp".to_owned()),
        None => (spec, "tcp".to_owned()),
    };
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("`{protocol}` is not a protocol; there are tcp, udp and sctp"));
    }
    // As in docker run -p, an address and a port of the host may precede it; they have no effect.
    let ports = ports.rsplit(':').next().unwrap_or(ports);
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |text: &str| text.parse::<u16>().map_err(|_| format!("`{text}` is not a number from 0 to 65535"));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err("the range runs backwards".to_owned());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges() {
        assert_eq!(parse("80").unwrap(), ["80/tcp"]);
        assert_eq!(parse("80/").unwrap(), ["80/tcp"]);
        assert_eq!(parse("80/UDP").unwrap(), ["80/udp"]);
        assert_eq!(parse("8000-8002/sctp").unwrap(), ["8000/sctp", "8001/sctp", "8002/sctp"]);
        for wrong in ["", "x", "90-80", "80/bogus", "70000", "80-"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
