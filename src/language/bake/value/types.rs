//! The types of values, and the types that unify several of them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// The type of a value, or a type constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Any type; as the type of a value, that of an untyped null.
    Dynamic,
    Bool,
    Number,
    String,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>),
    Object(ObjectType),
    Tuple(Vec<Type>),
}

/// Attributes by name, and which of them are optional.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectType {
    pub attributes: BTreeMap<String, Type>,
    pub optional: BTreeSet<String>,
}

impl Type {
    pub fn list(element: Self) -> Self {
        Self::List(Box::new(element))
    }

    pub fn map(element: Self) -> Self {
        Self::Map(Box::new(element))
    }

    pub fn set(element: Self) -> Self {
        Self::Set(Box::new(element))
    }

    pub fn object(attributes: BTreeMap<String, Self>) -> Self {
        Self::Object(ObjectType { attributes, optional: BTreeSet::new() })
    }

    pub fn is_primitive(&self) -> bool {
        matches!(self, Self::Bool | Self::Number | Self::String)
    }

    pub fn is_collection(&self) -> bool {
        matches!(self, Self::List(_) | Self::Set(_) | Self::Map(_))
    }

    /// Whether its values have no keys, or keys that count from zero.
    pub fn is_sequence(&self) -> bool {
        matches!(self, Self::List(_) | Self::Set(_) | Self::Tuple(_))
    }

    pub fn element(&self) -> Option<&Self> {
        match self {
            Self::List(element) | Self::Set(element) | Self::Map(element) => Some(element),
            _ => None,
        }
    }

    /// The name of the type.
    pub fn name(&self) -> String {
        self.named("dynamic", "dynamic")
    }

    /// The name of the type as a constraint.
    pub fn wanted(&self) -> String {
        self.named("any type", "any single type")
    }

    fn named(&self, any: &str, any_element: &str) -> String {
        let of = |kind: &str, element: &Self| format!("{kind} of {}", element.named(any_element, any_element));
        match self {
            Self::Dynamic => any.to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Number => "number".to_owned(),
            Self::String => "string".to_owned(),
            Self::List(element) => of("list", element),
            Self::Set(element) => of("set", element),
            Self::Map(element) => of("map", element),
            Self::Object(_) => "object".to_owned(),
            Self::Tuple(_) => "tuple".to_owned(),
        }
    }

    /// The same without marks of optional attributes: the type of a value has none.
    pub fn of_values(&self) -> Self {
        match self {
            Self::List(element) => Self::list(element.of_values()),
            Self::Set(element) => Self::set(element.of_values()),
            Self::Map(element) => Self::map(element.of_values()),
            Self::Object(object) => {
                let attributes = object.attributes.iter();
                Self::object(attributes.map(|(name, kind)| (name.clone(), kind.of_values())).collect())
            }
            Self::Tuple(elements) => Self::Tuple(elements.iter().map(Self::of_values).collect()),
            other => other.clone(),
        }
    }

    /// Whether values of this type can be converted to the other one. Some conversions may still fail; `is_unsafe` says
    /// whether those count.
    pub fn converts_to(&self, wanted: &Self, is_unsafe: bool) -> bool {
        if self == wanted {
            return true;
        }
        match (self, wanted) {
            (_, Self::Dynamic) => true,
            (Self::Dynamic, _) => is_unsafe,
            (Self::Number | Self::Bool, Self::String) => true,
            (Self::String, Self::Number | Self::Bool) => is_unsafe,
            (Self::Object(from), Self::Object(to)) => {
                to.attributes.iter().all(|(name, wanted)| match from.attributes.get(name) {
                    Some(kind) => kind.converts_to(wanted, is_unsafe),
                    None => to.optional.contains(name),
                })
            }
            (Self::Tuple(from), Self::Tuple(to)) => {
                from.len() == to.len() && from.iter().zip(to).all(|(from, to)| from.converts_to(to, is_unsafe))
            }
            (Self::List(from) | Self::Set(from), Self::List(to)) | (Self::Set(from), Self::Set(to)) => {
                from.converts_to(to, is_unsafe)
            }
            (Self::List(from), Self::Set(to)) => is_unsafe && from.converts_to(to, is_unsafe),
            (Self::Map(from), Self::Map(to)) => from.converts_to(to, is_unsafe),
            (Self::Tuple(from), Self::List(to) | Self::Set(to)) => common_element(from.iter(), to, is_unsafe).is_some(),
            (Self::Object(from), Self::Map(to)) => common_element(from.attributes.values(), to, is_unsafe).is_some(),
            (Self::Map(from), Self::Object(to)) => {
                is_unsafe
                    && to
                        .attributes
                        .iter()
                        .all(|(name, wanted)| from.converts_to(wanted, is_unsafe) || to.optional.contains(name))
            }
            _ => false,
        }
    }
}

/// The element type of a collection of values of these types.
pub fn common_element<'a>(
    elements: impl Iterator<Item = &'a Type> + Clone,
    wanted: &Type,
    is_unsafe: bool,
) -> Option<Type> {
    let mut all = elements.clone();
    if all.next().is_none() {
        return Some(wanted.of_values());
    }
    if *wanted == Type::Dynamic {
        let types: Vec<Type> = elements.clone().cloned().collect();
        let common = unify(&types, is_unsafe)?;
        let is_known = common != Type::Dynamic || elements.clone().all(|kind| *kind == Type::Dynamic);
        return (is_known && elements.clone().all(|kind| kind.converts_to(&common, is_unsafe))).then_some(common);
    }
    elements.clone().all(|kind| kind.converts_to(wanted, is_unsafe)).then(|| wanted.clone())
}

/// The type to which values of all these types can be converted.
pub fn unify(types: &[Type], is_unsafe: bool) -> Option<Type> {
    if types.is_empty() {
        return None;
    }
    let count = |test: fn(&Type) -> bool| types.iter().filter(|kind| test(kind)).count();
    let all = types.len();
    let maps = count(|kind| matches!(kind, Type::Map(_)));
    let lists = count(|kind| matches!(kind, Type::List(_)));
    let sets = count(|kind| matches!(kind, Type::Set(_)));
    let objects = count(|kind| matches!(kind, Type::Object(_)));
    let tuples = count(|kind| matches!(kind, Type::Tuple(_)));
    let dynamics = count(|kind| *kind == Type::Dynamic);
    let with_dynamic = |found: Option<Type>| if dynamics > 0 { Some(Type::Dynamic) } else { found };
    if maps > 0 && maps + dynamics == all {
        return with_dynamic(unify_elements(types, is_unsafe).map(Type::map));
    }
    if maps > 0 && maps + objects + dynamics == all {
        if let Some(found @ Type::Map(_)) = unify_structures(types, is_unsafe) {
            return Some(found);
        }
    } else if lists > 0 && lists + dynamics == all {
        return with_dynamic(unify_elements(types, is_unsafe).map(Type::list));
    } else if lists > 0 && lists + tuples + dynamics == all {
        if let Some(found @ Type::List(_)) = unify_structures(types, is_unsafe) {
            return Some(found);
        }
    } else if sets > 0 && sets + dynamics == all {
        return with_dynamic(unify_elements(types, is_unsafe).map(Type::set));
    } else if objects > 0 && objects + dynamics == all {
        return if dynamics > 0 { Some(Type::Dynamic) } else { unify_objects(types, is_unsafe) };
    } else if tuples > 0 && tuples + dynamics == all {
        return if dynamics > 0 { Some(Type::Dynamic) } else { unify_tuples(types, is_unsafe) };
    } else if objects > 0 && tuples > 0 {
        return None;
    }
    let order = preference(types);
    order.into_iter().map(|index| &types[index]).find(|wanted| converts(types, wanted, is_unsafe)).cloned()
}

fn converts(types: &[Type], wanted: &Type, is_unsafe: bool) -> bool {
    types.iter().all(|kind| kind.converts_to(wanted, is_unsafe))
}

fn unify_elements(types: &[Type], is_unsafe: bool) -> Option<Type> {
    let elements: Vec<Type> = types.iter().filter_map(Type::element).cloned().collect();
    unify(&elements, is_unsafe)
}

/// Unifies maps with objects, or lists with tuples: those without a common element type get one first.
fn unify_structures(types: &[Type], is_unsafe: bool) -> Option<Type> {
    let elements: Vec<Type> = types
        .iter()
        .flat_map(|kind| match kind {
            Type::Object(object) => object.attributes.values().cloned().collect::<Vec<_>>(),
            Type::Tuple(elements) => elements.clone(),
            _ => Vec::new(),
        })
        .collect();
    let element = unify(&elements, is_unsafe)?;
    let replaced: Vec<Type> = types
        .iter()
        .map(|kind| match kind {
            Type::Object(_) => Type::map(element.clone()),
            Type::Tuple(_) => Type::list(element.clone()),
            other => other.clone(),
        })
        .collect();
    unify(&replaced, is_unsafe)
}

fn unify_objects(types: &[Type], is_unsafe: bool) -> Option<Type> {
    let objects: Vec<&BTreeMap<String, Type>> = types
        .iter()
        .filter_map(|kind| if let Type::Object(object) = kind { Some(&object.attributes) } else { None })
        .collect();
    let as_map = || {
        let all: Vec<Type> = objects.iter().flat_map(|attributes| attributes.values().cloned()).collect();
        let found = Type::map(unify(&all, is_unsafe)?);
        converts(types, &found, is_unsafe).then_some(found)
    };
    let first = objects.first()?;
    if objects.iter().any(|attributes| !attributes.keys().eq(first.keys())) {
        return as_map();
    }
    let mut attributes = BTreeMap::new();
    for name in first.keys() {
        let across: Vec<Type> = objects.iter().filter_map(|attributes| attributes.get(name)).cloned().collect();
        attributes.insert(name.clone(), unify(&across, is_unsafe)?);
    }
    let found = Type::object(attributes);
    if converts(types, &found, is_unsafe) { Some(found) } else { as_map() }
}

fn unify_tuples(types: &[Type], is_unsafe: bool) -> Option<Type> {
    let tuples: Vec<&Vec<Type>> =
        types.iter().filter_map(|kind| if let Type::Tuple(elements) = kind { Some(elements) } else { None }).collect();
    let as_list = || {
        let all: Vec<Type> = tuples.iter().flat_map(|elements| elements.iter().cloned()).collect();
        let found = Type::list(unify(&all, is_unsafe)?);
        converts(types, &found, is_unsafe).then_some(found)
    };
    let first = tuples.first()?;
    if tuples.iter().any(|elements| elements.len() != first.len()) {
        return as_list();
    }
    let mut elements = Vec::new();
    for index in 0..first.len() {
        let across: Vec<Type> = tuples.iter().map(|elements| elements[index].clone()).collect();
        elements.push(unify(&across, is_unsafe)?);
    }
    let found = Type::Tuple(elements);
    if converts(types, &found, is_unsafe) { Some(found) } else { as_list() }
}

/// The indices of the types, the more general ones first.
fn preference(types: &[Type]) -> Vec<usize> {
    let mut edges = vec![Vec::new(); types.len()];
    let mut incoming = vec![0usize; types.len()];
    for left in 0..types.len() {
        for right in left + 1..types.len() {
            match compare(&types[left], &types[right]) {
                Ordering::Less => {
                    edges[left].push(right);
                    incoming[right] += 1;
                }
                Ordering::Greater => {
                    edges[right].push(left);
                    incoming[left] += 1;
                }
                Ordering::Equal => {}
            }
        }
    }
    let mut order: Vec<usize> = (0..types.len()).filter(|index| incoming[*index] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for target in edges[order[next]].clone() {
            incoming[target] -= 1;
            if incoming[target] == 0 {
                order.push(target);
            }
        }
        next += 1;
    }
    order
}

/// Orders two types: the more general one is the lesser.
fn compare(left: &Type, right: &Type) -> Ordering {
    match (left, right) {
        (Type::Dynamic, Type::Dynamic) => Ordering::Equal,
        (Type::Dynamic, _) => Ordering::Greater,
        (_, Type::Dynamic) => Ordering::Less,
        (Type::String, Type::Bool | Type::Number) => Ordering::Less,
        (Type::Bool | Type::Number, Type::String) => Ordering::Greater,
        (Type::List(left), Type::List(right))
        | (Type::Set(left), Type::Set(right))
        | (Type::Map(left), Type::Map(right)) => compare(left, right),
        (Type::List(_), Type::Set(_) | Type::Tuple(_))
        | (Type::Tuple(_), Type::Set(_))
        | (Type::Map(_), Type::Object(_)) => Ordering::Less,
        (Type::Set(_), Type::List(_) | Type::Tuple(_))
        | (Type::Tuple(_), Type::List(_))
        | (Type::Object(_), Type::Map(_)) => Ordering::Greater,
        (Type::Object(left), Type::Object(right)) => {
            if !left.attributes.keys().eq(right.attributes.keys()) {
                return Ordering::Equal;
            }
            agreed(left.attributes.values().zip(right.attributes.values()))
        }
        (Type::Tuple(left), Type::Tuple(right)) if left.len() == right.len() => agreed(left.iter().zip(right)),
        _ => Ordering::Equal,
    }
}

fn agreed<'a>(pairs: impl Iterator<Item = (&'a Type, &'a Type)>) -> Ordering {
    let orders: Vec<Ordering> = pairs.map(|(left, right)| compare(left, right)).collect();
    match (orders.contains(&Ordering::Less), orders.contains(&Ordering::Greater)) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

/// Why a value of one type does not have the other.
pub fn mismatch(got: &Type, wanted: &Type) -> String {
    match (got, wanted) {
        (Type::Object(_), Type::Object(_)) => object_mismatch(got, wanted),
        (Type::Tuple(_), Type::List(element)) if **element == Type::Dynamic => {
            "all list elements must have the same type".to_owned()
        }
        (Type::Tuple(_), Type::Set(element)) if **element == Type::Dynamic => {
            "all set elements must have the same type".to_owned()
        }
        (Type::Object(_), Type::Map(element)) if **element == Type::Dynamic => {
            "all map elements must have the same type".to_owned()
        }
        (Type::Tuple(elements), Type::List(wanted) | Type::Set(wanted)) => {
            let found = elements.iter().enumerate().find(|(_, kind)| !kind.converts_to(wanted, true));
            found.map_or_else(
                || format!("all elements must be {}", wanted.wanted()),
                |(index, kind)| format!("element {index}: {}", mismatch(kind, wanted)),
            )
        }
        (Type::Object(object), Type::Map(wanted)) => {
            let found = object.attributes.iter().find(|(_, kind)| !kind.converts_to(wanted, true));
            found.map_or_else(
                || format!("all elements must be {}", wanted.wanted()),
                |(name, kind)| format!("element {name:?}: {}", mismatch(kind, wanted)),
            )
        }
        (Type::List(from) | Type::Set(from), Type::List(to)) => {
            format!("incorrect list element type: {}", mismatch(from, to))
        }
        (Type::List(from) | Type::Set(from), Type::Set(to)) => {
            format!("incorrect set element type: {}", mismatch(from, to))
        }
        (Type::Map(from), Type::Map(to)) => format!("incorrect map element type: {}", mismatch(from, to)),
        _ => format!("{} required, but have {}", wanted.wanted(), got.name()),
    }
}

fn object_mismatch(got: &Type, wanted: &Type) -> String {
    let (Type::Object(got), Type::Object(wanted)) = (got, wanted) else {
        return "incorrect object attributes".to_owned();
    };
    let missing: Vec<String> = wanted
        .attributes
        .keys()
        .filter(|name| !got.attributes.contains_key(*name) && !wanted.optional.contains(*name))
        .map(|name| format!("{name:?}"))
        .collect();
    match missing.as_slice() {
        [] => {}
        [one] => return format!("attribute {one} is required"),
        [rest @ .., last] => return format!("attributes {} and {last} are required", rest.join(", ")),
    }
    let wrong = wanted.attributes.iter().find_map(|(name, wanted)| {
        let kind = got.attributes.get(name)?;
        (!kind.converts_to(wanted, true)).then(|| format!("attribute {name:?}: {}", mismatch(kind, wanted)))
    });
    wrong.unwrap_or_else(|| "incorrect object attributes".to_owned())
}
