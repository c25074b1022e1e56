//! IP addresses and their prefixes.

use std::net::IpAddr;

use super::{Failure, Function, Outcome, Parameter, Wanted, function, parameter, text, text_of, variadic, whole};
use crate::language::bake::value::Value;

const PREFIX: Parameter = parameter("prefix", Wanted::Text);
const NEW_BITS: Parameter = parameter("newbits", Wanted::Number);

pub(super) const FUNCTIONS: &[Function] = &[
    function("cidrhost", &[PREFIX, parameter("hostnum", Wanted::Number)], host),
    function("cidrnetmask", &[PREFIX], |all| {
        let prefix = Prefix::parse(text_of(all, 0))?;
        text(address(prefix.mask(), prefix.bits).to_string())
    }),
    function("cidrsubnet", &[PREFIX, NEW_BITS, parameter("netnum", Wanted::Number)], subnet),
    variadic("cidrsubnets", &[PREFIX], NEW_BITS, subnets),
];

/// A network: its first address, the length of its prefix, and how many bits an address has.
#[derive(Debug, Clone, Copy)]
struct Prefix {
    start: u128,
    length: u32,
    bits: u32,
}

fn address(value: u128, bits: u32) -> IpAddr {
    if bits == 32 {
        IpAddr::from(u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes())
    } else {
        IpAddr::from(value.to_be_bytes())
    }
}

impl Prefix {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::new(format!("invalid CIDR expression: invalid CIDR address: {text}"));
        let (ip, length) = text.split_once('/').ok_or_else(wrong)?;
        let is_number = !length.is_empty() && length.len() <= 3 && length.bytes().all(|digit| digit.is_ascii_digit());
        let length: u32 = if is_number { length.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
        let (value, bits) = match ip.parse().map_err(|_| wrong())? {
            IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
            IpAddr::V6(ip) => (u128::from(ip), 128),
        };
        if length > bits {
            return Err(wrong());
        }
        let prefix = Self { start: value, length, bits };
        Ok(Self { start: value & prefix.mask(), ..prefix })
    }

    fn all(self) -> u128 {
        if self.bits == 128 { u128::MAX } else { (1 << self.bits) - 1 }
    }

    fn host_mask(self) -> u128 {
        let host_bits = self.bits - self.length;
        if host_bits == 128 { u128::MAX } else { (1 << host_bits) - 1 }
    }

    fn mask(self) -> u128 {
        self.all() & !self.host_mask()
    }

    fn last(self) -> u128 {
        self.start | self.host_mask()
    }

    fn text(self) -> String {
        format!("{}/{}", address(self.start, self.bits), self.length)
    }
}

fn host(all: &[Value]) -> Outcome {
    let number = whole(all, 1)?;
    let prefix = Prefix::parse(text_of(all, 0))?;
    let most = prefix.host_mask();
    let from_end = u128::from((number + i64::from(number < 0)).unsigned_abs());
    if from_end > most {
        let length = prefix.length;
        return Err(Failure::new(format!("prefix of {length} does not accommodate a host numbered {number}")));
    }
    let offset = if number < 0 { most - from_end } else { from_end };
    text(address(prefix.start | offset, prefix.bits).to_string())
}

fn subnet(all: &[Value]) -> Outcome {
    let (new_bits, number) = (whole(all, 1)?, whole(all, 2)?);
    let prefix = Prefix::parse(text_of(all, 0))?;
    if new_bits > 32 {
        return Err(Failure::new("may not extend prefix by more than 32 bits"));
    }
    let no_space =
        || Failure::new(format!("insufficient address space to extend prefix of {} by {new_bits}", prefix.length));
    let new_bits_count = u32::try_from(new_bits).map_err(|_| no_space())?;
    let length = prefix.length + new_bits_count;
    if length > prefix.bits {
        return Err(no_space());
    }
    let number_wide = u128::try_from(number).ok().filter(|number| *number < 1 << new_bits_count);
    let Some(index) = number_wide else {
        let message = format!("prefix extension of {new_bits} does not accommodate a subnet numbered {number}");
        return Err(Failure::new(message));
    };
    let shift = prefix.bits - length;
    let offset = if shift >= 128 { 0 } else { index << shift };
    text(Prefix { start: prefix.start | offset, length, bits: prefix.bits }.text())
}

fn subnets(all: &[Value]) -> Outcome {
    let prefix = Prefix::parse(text_of(all, 0)).map_err(|failure| Failure::argument(0, failure.message))?;
    let mut made = Vec::new();
    let mut next = Some(prefix.start);
    for index in 1..all.len() {
        let wrong = |message: String| Failure::argument(index, message);
        let extension = whole(all, index).map_err(|failure| wrong(failure.message))?;
        if extension < 1 {
            return Err(wrong("must extend prefix by at least one bit".to_owned()));
        }
        if extension > 32 {
            return Err(wrong("may not extend prefix by more than 32 bits".to_owned()));
        }
        let length = prefix.length + u32::try_from(extension).unwrap_or_default();
        if length > prefix.bits {
            let protocol = if prefix.bits == 32 { "IPv4" } else { "IPv6" };
            return Err(wrong(format!(
                "would extend prefix to {length} bits, which is too long for an {protocol} address"
            )));
        }
        let sized = Prefix { length, ..prefix };
        let aligned = next.and_then(|next| Some(next.checked_add(sized.host_mask())? & sized.mask()));
        let start = aligned.filter(|start| *start <= prefix.last() && *start >= prefix.start);
        let Some(start) = start else {
            return Err(wrong(format!(
                "not enough remaining address space for a subnet with a prefix of {length} bits after {}",
                made.last().cloned().unwrap_or_default()
            )));
        };
        let found = Prefix { start, ..sized };
        next = found.last().checked_add(1);
        made.push(found.text());
    }
    Ok(Value::strings(made))
}
