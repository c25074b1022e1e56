//! The limits in a specification; a runtime's `update` takes the same.

use serde_json::{Map, Value, json};

use crate::container::sandbox::isolation::{Limits, ThrottleKind};

/// Without device rules. Unset limits are left out.
pub fn resources(limits: &Limits) -> Value {
    let signed = |number: u64| i64::try_from(number).unwrap_or(-1);
    let mut all = Map::new();
    let mut add = |key: &str, value: Map<String, Value>| {
        if !value.is_empty() {
            all.insert(key.to_owned(), value.into());
        }
    };
    let number = |value: Option<u64>| value.map(|value| json!(signed(value)));
    add(
        "memory",
        with([
            ("limit", number(limits.memory)),
            ("swap", number(limits.memory_and_swap)),
            ("reservation", number(limits.memory_reservation)),
            ("swappiness", number(limits.memory_swappiness)),
            ("disableOOMKiller", limits.oom_kill_disabled.then_some(json!(true))),
        ]),
    );
    add(
        "cpu",
        with([
            ("quota", number(limits.cpu_quota)),
            ("period", number(limits.cpu_period)),
            ("shares", number(limits.cpu_shares)),
            ("realtimePeriod", number(limits.cpu_realtime_period)),
            ("realtimeRuntime", limits.cpu_realtime_runtime.map(Value::from)),
            ("cpus", limits.cpuset_cpus.clone().map(Value::from)),
            ("mems", limits.cpuset_mems.clone().map(Value::from)),
        ]),
    );
    add("pids", with([("limit", number(limits.pids))]));
    add("blockIO", block_devices(limits));
    all.into()
}

fn with<const COUNT: usize>(pairs: [(&str, Option<Value>); COUNT]) -> Map<String, Value> {
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn block_devices(limits: &Limits) -> Map<String, Value> {
    let device = |name: &str| -> Value {
        let (major, minor) = name.split_once(':').unwrap_or((name, "0"));
        json!({"major": major.parse().unwrap_or(0u64), "minor": minor.parse().unwrap_or(0u64)})
    };
    let throttled = |kind: ThrottleKind| {
        let own = limits.throttles.iter().filter(|throttle| throttle.kind == kind);
        let list: Vec<Value> = own
            .map(|throttle| {
                let mut value = device(&throttle.device);
                value["rate"] = json!(throttle.rate);
                value
            })
            .collect();
        Some(Value::from(list)).filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))
    };
    let weights: Vec<Value> = limits
        .blkio_weight_devices
        .iter()
        .map(|(name, weight)| {
            let mut value = device(name);
            value["weight"] = json!(weight);
            value
        })
        .collect();
    with([
        ("weight", limits.blkio_weight.map(Value::from)),
        ("weightDevice", Some(Value::from(weights)).filter(|_| !limits.blkio_weight_devices.is_empty())),
        ("throttleReadBpsDevice", throttled(ThrottleKind::ReadBytes)),
        ("throttleWriteBpsDevice", throttled(ThrottleKind::WriteBytes)),
        ("throttleReadIOPSDevice", throttled(ThrottleKind::ReadOperations)),
        ("throttleWriteIOPSDevice", throttled(ThrottleKind::WriteOperations)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::sandbox::isolation::Throttle;

    #[test]
    fn only_what_is_limited() {
        assert_eq!(resources(&Limits::default()), json!({}));
        let throttle = Throttle { device: "8:1".to_owned(), kind: ThrottleKind::ReadBytes, rate: 7 };
        let limits =
            Limits { memory: Some(5), memory_and_swap: Some(u64::MAX), throttles: vec![throttle], ..Limits::default() };
        let expected = json!({
            "memory": {"limit": 5, "swap": -1},
            "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 7}]},
        });
        assert_eq!(resources(&limits), expected);
    }
}
