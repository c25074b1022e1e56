//! `--device`, `--gpus`, and limits of block devices.

use std::collections::BTreeMap;
use std::path::Path;

use super::arguments::Devices;
use crate::base::bytes;
use crate::cli::CliError;
use crate::container::cdi;
use crate::container::{DeviceMapping, DeviceRequest, Resources, ThrottleDevice, WeightDevice, has_devices};

pub(super) fn add(args: &Devices, resources: &mut Resources) -> Result<(), CliError> {
    let mut named = Vec::new();
    for text in &args.device {
        if cdi::is_qualified_name(text) {
            named.push(text.clone());
        } else {
            resources.devices.push(mapping(text)?);
        }
    }
    if !named.is_empty() {
        let request = DeviceRequest { driver: "cdi".to_owned(), device_ids: named, ..DeviceRequest::default() };
        resources.device_requests.push(request);
    }
    if let Some(text) = &args.gpus {
        resources.device_requests.push(gpus(text)?);
    }
    for rule in &args.device_cgroup_rule {
        check_rule(rule)?;
        resources.device_cgroup_rules.push(rule.clone());
    }
    Ok(())
}

/// `HOST`, `HOST:CONTAINER`, `HOST:rwm` or `HOST:CONTAINER:rwm`.
fn mapping(text: &str) -> Result<DeviceMapping, CliError> {
    let wrong = || CliError::new(format!("invalid device specification: {text}"));
    let is_mode = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| "rwm".contains(c))
            && text.chars().all(|c| text.matches(c).count() == 1)
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, mode) = match parts.as_slice() {
        [host] => (*host, *host, "rwm"),
        [host, mode] if is_mode(mode) => (*host, *host, *mode),
        [host, container] => (*host, *container, "rwm"),
        [host, container, mode] if is_mode(mode) => (*host, *container, *mode),
        [_, _, mode] => return Err(CliError::new(format!("invalid device mode: {mode}"))),
        _ => return Err(wrong()),
    };
    if !Path::new(host).is_absolute() || !Path::new(container).is_absolute() {
        return Err(wrong());
    }
    if Path::new(host).is_dir() && !has_devices(Path::new(host)) {
        return Err(CliError::new(format!("--device {host}: not a device node")));
    }
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: container.to_owned(),
        cgroup_permissions: mode.to_owned(),
    })
}

/// `all`, a number, or `device=0,1` with `driver`, `capabilities` and `options`; lists are in double quotes.
fn gpus(text: &str) -> Result<DeviceRequest, CliError> {
    let wrong = |message: &str| CliError::new(format!("invalid argument \"{text}\" for \"--gpus\": {message}"));
    let mut request = DeviceRequest { capabilities: vec![vec!["gpu".to_owned()]], ..DeviceRequest::default() };
    let mut has_count = false;
    for (key, value) in crate::cli::build::values::fields(text).map_err(|error| wrong(&error.to_string()))? {
        match (key.as_str(), value.as_str()) {
            ("all", "") | ("count", "all") => (request.count, has_count) = (-1, true),
            (number, "") if number.parse::<i64>().is_ok() => {
                (request.count, has_count) = (number.parse().unwrap_or_default(), true);
            }
            ("count", number) => {
                let count = number.parse().map_err(|_| wrong("count must be an integer"))?;
                (request.count, has_count) = (count, true);
            }
            ("device", list) => request.device_ids = list.split(',').map(str::to_owned).collect(),
            ("driver", driver) => request.driver = driver.to_owned(),
            ("capabilities", list) => {
                request.capabilities = vec![list.split(',').chain(["gpu"]).map(str::to_owned).collect()];
            }
            ("options", list) => {
                let pairs = list.split(',').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                request.options =
                    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>();
            }
            (other, _) => return Err(wrong(&format!("unexpected key '{other}'"))),
        }
    }
    match (has_count, request.device_ids.is_empty()) {
        (true, false) => Err(wrong("cannot set both Count and DeviceIDs on device request")),
        (false, true) => {
            request.count = 1;
            Ok(request)
        }
        _ => Ok(request),
    }
}

/// `TYPE MAJOR:MINOR MODE`, such as `c 42:* rmw`.
fn check_rule(rule: &str) -> Result<(), CliError> {
    let wrong = || CliError::new(format!("invalid device cgroup format '{rule}'"));
    let words: Vec<&str> = rule.split_whitespace().collect();
    let [kind, numbers, mode] = words.as_slice() else { return Err(wrong()) };
    let is_number = |text: &str| text == "*" || text.parse::<u32>().is_ok();
    let numbers = numbers.split_once(':').is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    let mode = (1..=3).contains(&mode.len()) && mode.chars().all(|c| "rwm".contains(c));
    if matches!(*kind, "a" | "b" | "c") && numbers && mode { Ok(()) } else { Err(wrong()) }
}

/// `DEVICE:WEIGHT`.
pub(super) fn weights(texts: &[String]) -> Result<Vec<WeightDevice>, CliError> {
    let one = |text: &String| {
        let (path, weight) = device(text)?;
        let weight: u16 = weight.parse().map_err(|_| CliError::new(format!("invalid weight for device: {text}")))?;
        if weight != 0 && !(10..=1000).contains(&weight) {
            return Err(CliError::new(format!("invalid weight for device: {text}")));
        }
        Ok(WeightDevice { path, weight })
    };
    texts.iter().map(one).collect()
}

/// `DEVICE:RATE`; byte rates may have a unit.
pub(super) fn throttles(texts: &[String], is_bytes: bool) -> Result<Vec<ThrottleDevice>, CliError> {
    let one = |text: &String| {
        let (path, rate) = device(text)?;
        let rate = if is_bytes { bytes(&rate).ok() } else { rate.parse().ok() };
        let wrong = || {
            let unit = if is_bytes { "<device-path>:<number>[<unit>]" } else { "<device-path>:<number>" };
            CliError::new(format!("invalid rate for device: {text}. The correct format is {unit}"))
        };
        Ok(ThrottleDevice { path, rate: rate.ok_or_else(wrong)? })
    };
    texts.iter().map(one).collect()
}

fn device(text: &str) -> Result<(String, String), CliError> {
    match text.rsplit_once(':') {
        Some((path, value)) if path.starts_with("/dev/") && !value.is_empty() => {
            Ok((path.to_owned(), value.to_owned()))
        }
        Some((path, _)) if !path.is_empty() => Err(CliError::new(format!("bad format for device path: {text}"))),
        _ => Err(CliError::new(format!("bad format: {text}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings() {
        let parts = |text: &str| {
            let one = mapping(text).map_err(|error| format!("{error:?}"))?;
            Ok::<_, String>((one.path_on_host, one.path_in_container, one.cgroup_permissions))
        };
        let expected = |host: &str, container: &str, mode: &str| Ok((host.into(), container.into(), mode.into()));
        assert_eq!(parts("/dev/fuse"), expected("/dev/fuse", "/dev/fuse", "rwm"));
        assert_eq!(parts("/dev/fuse:r"), expected("/dev/fuse", "/dev/fuse", "r"));
        assert_eq!(parts("/dev/sda:/dev/xvda:rw"), expected("/dev/sda", "/dev/xvda", "rw"));
        for wrong in ["fuse", "/dev/a:b", "/dev/a:/dev/b:x", "/a:/b:r:w", "/dev/a:/dev/b:rr"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn requests_for_gpus() {
        assert_eq!(gpus("all").unwrap().count, -1);
        assert_eq!(gpus("2").unwrap().count, 2);
        assert_eq!(gpus("\"device=0,1\"").unwrap().device_ids, ["0", "1"]);
        let utility = gpus("all,capabilities=utility").unwrap();
        assert_eq!(utility.capabilities, [["utility", "gpu"]]);
        assert!(gpus("2,device=0").is_err() && gpus("colour=red").is_err());
    }

    #[test]
    fn limits_and_rules() {
        assert_eq!(throttles(&["/dev/sda:1mb".to_owned()], true).unwrap()[0].rate, 1 << 20);
        assert!(throttles(&["/dev/sda:1mb".to_owned()], false).is_err());
        assert!(throttles(&["sda:1".to_owned()], true).is_err());
        assert_eq!(weights(&["/dev/sda:500".to_owned()]).unwrap()[0].weight, 500);
        assert!(weights(&["/dev/sda:5".to_owned()]).is_err());
        assert!(check_rule("c 42:* rmw").is_ok());
        for wrong in ["c 42 r", "x 1:1 r", "c 1:1 x", "c 1:1", ""] {
            assert!(check_rule(wrong).is_err(), "{wrong}");
        }
    }
}
