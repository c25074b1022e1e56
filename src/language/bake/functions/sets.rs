//! Functions on sets.

use super::{Failure, Function, Outcome, Parameter, Wanted, function, parameter, variadic};
use crate::language::bake::value::{Type, Value, convert, unify};

const FIRST: Parameter = parameter("first_set", Wanted::Set);
const OTHERS: Parameter = parameter("other_sets", Wanted::Set);
const A: Parameter = parameter("a", Wanted::Set);
const B: Parameter = parameter("b", Wanted::Set);

/// The maximum number of elements in a product.
const MAX_PRODUCT: usize = 100_000;

pub(super) const FUNCTIONS: &[Function] = &[
    function("sethaselement", &[parameter("set", Wanted::Set), parameter("elem", Wanted::Any)], |all| {
        Ok(Value::Bool(all[0].elements().unwrap_or_default().iter().any(|element| element.equals(&all[1]))))
    }),
    variadic("setintersection", &[FIRST], OTHERS, |all| {
        combine(all, |left, right| left.iter().filter(|value| has(right, value)).cloned().collect())
    }),
    variadic("setproduct", &[], parameter("sets", Wanted::Any), product),
    function("setsubtract", &[A, B], |all| {
        combine(all, |left, right| left.iter().filter(|value| !has(right, value)).cloned().collect())
    }),
    variadic("setsymmetricdifference", &[FIRST], OTHERS, |all| {
        combine(all, |left, right| {
            let only_left = left.iter().filter(|value| !has(right, value));
            let only_right = right.iter().filter(|value| !has(left, value));
            only_left.chain(only_right).cloned().collect()
        })
    }),
    variadic("setunion", &[FIRST], OTHERS, |all| {
        combine(all, |left, right| left.iter().chain(right).cloned().collect())
    }),
];

fn has(values: &[Value], wanted: &Value) -> bool {
    values.iter().any(|value| value.equals(wanted))
}

fn combine(all: &[Value], run: fn(&[Value], &[Value]) -> Vec<Value>) -> Outcome {
    let kinds: Vec<Type> = all
        .iter()
        .filter_map(|set| match set {
            Value::Set(Type::Dynamic, elements) if elements.is_empty() => None,
            Value::Set(kind, _) => Some(kind.clone()),
            _ => None,
        })
        .collect();
    let kind = if kinds.is_empty() {
        Type::Dynamic
    } else {
        unify(&kinds, true).ok_or_else(|| Failure::new("given sets must all have compatible element types"))?
    };
    let wanted = Type::set(kind.clone());
    let mut sets = Vec::new();
    for (index, set) in all.iter().enumerate() {
        let set = convert(set, &wanted).map_err(|error| Failure::argument(index, error.message))?;
        sets.push(set.elements().unwrap_or_default().to_vec());
    }
    let combined = sets.into_iter().reduce(|left, right| run(&left, &right)).unwrap_or_default();
    Ok(Value::set(kind, combined))
}

fn product(all: &[Value]) -> Outcome {
    if all.len() < 2 {
        return Err(Failure::new("at least two arguments are required"));
    }
    let mut kinds = Vec::new();
    let mut lists = Vec::new();
    let mut total = 1usize;
    for (index, value) in all.iter().enumerate() {
        let Some(elements) = value.elements() else {
            return Err(Failure::argument(index, "a set or a list is required"));
        };
        let kind = match value {
            Value::List(kind, _) | Value::Set(kind, _) => kind.clone(),
            _ if elements.is_empty() => Type::Dynamic,
            _ => {
                let kinds: Vec<Type> = elements.iter().map(Value::kind).collect();
                unify(&kinds, true).ok_or_else(|| Failure::argument(index, "all elements must be of the same type"))?
            }
        };
        lists.push(elements.iter().map(|element| convert(element, &kind)).collect::<Result<Vec<_>, _>>()?);
        total = total.saturating_mul(elements.len());
        kinds.push(kind);
    }
    if total.saturating_mul(all.len()) > MAX_PRODUCT {
        return Err(Failure::new(format!("more than {MAX_PRODUCT} values would be made")));
    }
    let mut rows = vec![Vec::new()];
    for list in &lists {
        rows = rows.iter().flat_map(|row| list.iter().map(move |value| with(row, value))).collect();
    }
    let rows = if total == 0 { Vec::new() } else { rows.into_iter().map(Value::Tuple).collect() };
    let kind = Type::Tuple(kinds);
    let is_set = all.iter().any(|value| matches!(value, Value::Set(..)));
    Ok(if is_set { Value::set(kind, rows) } else { Value::List(kind, rows) })
}

fn with(row: &[Value], value: &Value) -> Vec<Value> {
    let mut longer = row.to_vec();
    longer.push(value.clone());
    longer
}
