//! Functions on lists and tuples.

use super::{
    Failure, Function, Outcome, Parameter, Wanted, count, function, nullable, number_of, parameter, variadic, whole,
};
use crate::language::bake::value::{Number, Type, Value, convert, unify};

const ANY_LIST: Parameter = parameter("list", Wanted::Any);
const LIST: Parameter = parameter("list", Wanted::List);
const TEXTS: Parameter = parameter("list", Wanted::Texts);
const VALUE: Parameter = parameter("value", Wanted::Any);

/// The maximum number of elements in a range.
const MAX_RANGE: usize = 1024;

pub(super) const FUNCTIONS: &[Function] = &[
    function("chunklist", &[LIST, parameter("size", Wanted::Number)], chunklist),
    variadic("coalesce", &[], nullable("vals"), coalesce),
    variadic("coalescelist", &[], nullable("vals"), coalesce_list),
    function("compact", &[TEXTS], |all| {
        let texts = elements(all, 0).iter().filter_map(Value::as_text).filter(|text| !text.is_empty());
        Ok(Value::strings(texts.map(str::to_owned)))
    }),
    variadic("concat", &[], parameter("seqs", Wanted::Any), concat),
    function("contains", &[ANY_LIST, VALUE], contains),
    function("distinct", &[LIST], distinct),
    function("element", &[ANY_LIST, parameter("index", Wanted::Number)], element),
    function("flatten", &[ANY_LIST], flatten),
    function("hasindex", &[parameter("collection", Wanted::Any), parameter("key", Wanted::Any)], |all| {
        check_collection(&all[0])?;
        Ok(Value::Bool(part(&all[0], &all[1]).is_some()))
    }),
    function("index", &[parameter("collection", Wanted::Any), parameter("key", Wanted::Any)], index),
    function("indexof", &[ANY_LIST, VALUE], index_of),
    function("length", &[parameter("collection", Wanted::Any)], length),
    variadic("range", &[], parameter("params", Wanted::Number), range),
    function("reverselist", &[ANY_LIST], reverse),
    function(
        "slice",
        &[ANY_LIST, parameter("start_index", Wanted::Number), parameter("end_index", Wanted::Number)],
        slice,
    ),
    function("sort", &[TEXTS], sort),
];

fn elements(all: &[Value], index: usize) -> &[Value] {
    all.get(index).and_then(Value::elements).unwrap_or_default()
}

/// A sequence of the same kind with other elements.
fn like(sequence: &Value, elements: Vec<Value>) -> Value {
    match sequence {
        Value::List(kind, _) | Value::Set(kind, _) => Value::List(kind.clone(), elements),
        _ => Value::Tuple(elements),
    }
}

fn chunklist(all: &[Value]) -> Outcome {
    let size = whole(all, 1).map_err(|failure| Failure::new(format!("invalid size: {}", failure.message)))?;
    let Ok(size) = usize::try_from(size) else {
        return Err(Failure::new("the size argument must be positive"));
    };
    let kind = all[0].kind();
    let list = elements(all, 0);
    if list.is_empty() {
        return Ok(Value::List(kind, Vec::new()));
    }
    let size = if size == 0 { list.len() } else { size };
    let chunks = list.chunks(size).map(|chunk| like(&all[0], chunk.to_vec())).collect();
    Ok(Value::List(kind, chunks))
}

fn coalesce(all: &[Value]) -> Outcome {
    let kinds: Vec<Type> = all.iter().map(Value::kind).collect();
    let Some(kind) = unify(&kinds, true) else {
        return Err(Failure::new("all arguments must have the same type"));
    };
    match all.iter().find(|value| !value.is_null()) {
        Some(value) => Ok(convert(value, &kind)?),
        None => Err(Failure::new("no non-null arguments")),
    }
}

fn coalesce_list(all: &[Value]) -> Outcome {
    if all.is_empty() {
        return Err(Failure::new("at least one argument is required"));
    }
    if all.iter().any(|value| !matches!(value.kind(), Type::List(_) | Type::Tuple(_))) {
        return Err(Failure::new("coalescelist arguments must be lists or tuples"));
    }
    let found = all.iter().find(|value| value.elements().is_some_and(|elements| !elements.is_empty()));
    found.cloned().ok_or_else(|| Failure::new("no non-null arguments"))
}

fn concat(all: &[Value]) -> Outcome {
    if all.is_empty() {
        return Err(Failure::new("at least one argument is required"));
    }
    let kinds: Vec<Type> = all.iter().map(Value::kind).collect();
    if kinds.iter().all(|kind| matches!(kind, Type::List(_)))
        && let Some(kind @ Type::List(_)) = unify(&kinds, true)
    {
        let mut joined = Vec::new();
        for (index, list) in all.iter().enumerate() {
            let list = convert(list, &kind).map_err(|error| Failure::argument(index, error.message))?;
            joined.extend_from_slice(list.elements().unwrap_or_default());
        }
        let element = kind.element().cloned().unwrap_or(Type::Dynamic);
        return Ok(Value::List(element, joined));
    }
    let mut joined = Vec::new();
    for (index, list) in all.iter().enumerate() {
        match list {
            Value::Tuple(elements) | Value::List(_, elements) => joined.extend_from_slice(elements),
            other => {
                let message = format!("all arguments must be lists or tuples; got {}", other.kind().name());
                return Err(Failure::argument(index, message));
            }
        }
    }
    Ok(Value::Tuple(joined))
}

fn contains(all: &[Value]) -> Outcome {
    let Some(elements) = all[0].elements() else {
        return Err(Failure::new("argument must be list, tuple, or set"));
    };
    Ok(Value::Bool(elements.iter().any(|element| all[1].equals(element))))
}

fn distinct(all: &[Value]) -> Outcome {
    let mut kept: Vec<Value> = Vec::new();
    for value in elements(all, 0) {
        if !kept.iter().any(|known| known.equals(value)) {
            kept.push(value.clone());
        }
    }
    Ok(like(&all[0], kept))
}

fn element(all: &[Value]) -> Outcome {
    let (Value::List(_, elements) | Value::Tuple(elements)) = &all[0] else {
        return Err(Failure::new(format!("cannot read elements from {}", all[0].kind().name())));
    };
    let index = whole(all, 1).map_err(|failure| Failure::new(format!("invalid index: {}", failure.message)))?;
    let Some(length) = i64::try_from(elements.len()).ok().filter(|length| *length > 0) else {
        return Err(Failure::new("cannot use element function with an empty list"));
    };
    let index = usize::try_from(index.rem_euclid(length)).unwrap_or_default();
    Ok(elements[index].clone())
}

fn flatten(all: &[Value]) -> Outcome {
    fn add(elements: &[Value], flat: &mut Vec<Value>) {
        for element in elements {
            match element.elements() {
                Some(inner) => add(inner, flat),
                None => flat.push(element.clone()),
            }
        }
    }
    let Some(elements) = all[0].elements() else {
        return Err(Failure::new("can only flatten lists, sets and tuples"));
    };
    let mut flat = Vec::new();
    add(elements, &mut flat);
    Ok(Value::Tuple(flat))
}

fn check_collection(collection: &Value) -> Result<(), Failure> {
    match collection {
        Value::List(..) | Value::Tuple(_) | Value::Map(..) => Ok(()),
        _ => Err(Failure::new("collection must be a list, a map or a tuple")),
    }
}

/// The element of a collection at a key.
fn part<'a>(collection: &'a Value, key: &Value) -> Option<&'a Value> {
    match (collection, key) {
        (Value::List(_, elements) | Value::Tuple(elements), Value::Number(number)) => {
            elements.get(usize::try_from(number.to_i64()?).ok()?)
        }
        (Value::Map(_, entries), Value::String(key)) => entries.get(key),
        _ => None,
    }
}

fn index(all: &[Value]) -> Outcome {
    let (collection, key) = (&all[0], &all[1]);
    check_collection(collection)?;
    match (collection, key) {
        (Value::Tuple(elements), Value::Number(number)) => {
            let Some(index) = number.to_i64() else {
                return Err(Failure::new("invalid key for tuple: value must be a whole number"));
            };
            let found = usize::try_from(index).ok().and_then(|index| elements.get(index));
            let out_of_range = || Failure::new(format!("key must be between 0 and {} inclusive", elements.len()));
            found.cloned().ok_or_else(out_of_range)
        }
        (Value::Tuple(_), _) => Err(Failure::new("key for tuple must be number")),
        (Value::List(..), Value::Number(_)) | (Value::Map(..), Value::String(_)) => {
            part(collection, key).cloned().ok_or_else(|| Failure::new("invalid index"))
        }
        (Value::List(..), _) => Err(Failure::new("key for list must be number")),
        _ => Err(Failure::new("key for map must be string")),
    }
}

fn index_of(all: &[Value]) -> Outcome {
    let (Value::List(_, elements) | Value::Tuple(elements)) = &all[0] else {
        return Err(Failure::new("argument must be a list or tuple"));
    };
    if elements.is_empty() {
        return Err(Failure::new("cannot search an empty list"));
    }
    let found = elements.iter().position(|element| element.equals(&all[1]));
    found.map(count).ok_or_else(|| Failure::new("item not found"))
}

fn length(all: &[Value]) -> Outcome {
    match &all[0] {
        Value::List(_, elements) | Value::Tuple(elements) | Value::Set(_, elements) => Ok(count(elements.len())),
        Value::Map(_, entries) => Ok(count(entries.len())),
        _ => Err(Failure::new("collection must be a list, a map or a tuple")),
    }
}

fn range(all: &[Value]) -> Outcome {
    let zero = Number::small(0);
    let (start, end) = match all.len() {
        1 => (zero.clone(), number_of(all, 0)),
        2 | 3 => (number_of(all, 0), number_of(all, 1)),
        _ => return Err(Failure::new("must have one, two, or three arguments")),
    };
    let is_less = |left: &Number, right: &Number| left.compare(right).is_lt();
    let step = match all.len() {
        3 => number_of(all, 2),
        _ => Number::small(if is_less(&end, &start) { -1 } else { 1 }),
    };
    let goes_down = is_less(&step, &zero);
    if goes_down && is_less(&start, &end) {
        return Err(Failure::argument(1, "end must be less than start when step is negative"));
    }
    if !goes_down && is_less(&end, &start) {
        return Err(Failure::argument(1, "end must be greater than start when step is positive"));
    }
    let mut numbers = Vec::new();
    let mut next = start;
    while if goes_down { is_less(&end, &next) } else { is_less(&next, &end) } {
        if numbers.len() >= MAX_RANGE {
            return Err(Failure::new(
                "more than 1024 values were generated; either decrease the difference between start and end or use a \
                 smaller step",
            ));
        }
        let following = next.add(&step).map_err(|_| Failure::new("the range has no end"))?;
        numbers.push(Value::Number(next));
        next = following;
    }
    Ok(Value::List(Type::Number, numbers))
}

fn reverse(all: &[Value]) -> Outcome {
    match all[0].elements() {
        Some(elements) => Ok(like(&all[0], elements.iter().rev().cloned().collect())),
        None => {
            let message = format!("can only reverse list or tuple values, not {}", all[0].kind().name());
            Err(Failure::argument(0, message))
        }
    }
}

fn slice(all: &[Value]) -> Outcome {
    let (Value::List(_, elements) | Value::Tuple(elements)) = &all[0] else {
        let message = match all[0] {
            Value::Set(..) => {
                "cannot slice a set, because its elements do not have indices; explicitly convert to a list if the \
                 ordering of the result is not important"
            }
            _ => "must be a list or tuple value",
        };
        return Err(Failure::argument(0, message));
    };
    let bound = |index: usize, name: &str| {
        let wrong = |what: &str| Failure::argument(index, format!("{name} index {what}"));
        let value = whole(all, index)
            .map_err(|failure| Failure::argument(index, format!("invalid {name} index: {}", failure.message)))?;
        let value = usize::try_from(value).map_err(|_| wrong("must not be less than zero"))?;
        if value > elements.len() {
            return Err(wrong("must not be greater than the length of the list"));
        }
        Ok(value)
    };
    let (start, end) = (bound(1, "start")?, bound(2, "end")?);
    if start > end {
        return Err(Failure::argument(1, "start index must not be greater than end index"));
    }
    Ok(like(&all[0], elements[start..end].to_vec()))
}

fn sort(all: &[Value]) -> Outcome {
    let mut texts = Vec::new();
    for (index, value) in elements(all, 0).iter().enumerate() {
        let Some(text) = value.as_text() else {
            let message = format!("given list element {index} is null; a null string cannot be sorted");
            return Err(Failure::new(message));
        };
        texts.push(text.to_owned());
    }
    texts.sort();
    Ok(Value::strings(texts))
}
