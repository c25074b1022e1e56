//! Arithmetic, comparison and logic.

use num_bigint::BigInt;

use super::logarithm::ln;
use super::{
    Failure, Function, Outcome, Parameter, Wanted, function, nullable, number_of, parameter, text_of, variadic, whole,
};
use crate::language::bake::value::{NotANumber, Number, Value};

const A: Parameter = parameter("a", Wanted::Number);
const B: Parameter = parameter("b", Wanted::Number);
const NUM: Parameter = parameter("num", Wanted::Number);
const LEFT: Parameter = parameter("a", Wanted::Bool);
const RIGHT: Parameter = parameter("b", Wanted::Bool);

pub(super) const FUNCTIONS: &[Function] = &[
    function("absolute", &[NUM], |all| Ok(Value::Number(number_of(all, 0).absolute()))),
    function("add", &[A, B], |all| arithmetic(all, Number::add, "can't compute sum of opposing infinities")),
    function("subtract", &[A, B], |all| arithmetic(all, Number::subtract, "can't subtract infinity from itself")),
    function("multiply", &[A, B], |all| arithmetic(all, Number::multiply, "can't multiply zero by infinity")),
    function("divide", &[A, B], |all| {
        arithmetic(all, Number::divide, "can't divide zero by zero or infinity by infinity")
    }),
    function("modulo", &[A, B], |all| arithmetic(all, Number::modulo, "can't use modulo with zero and infinity")),
    function("negate", &[NUM], |all| Ok(Value::Number(number_of(all, 0).negate()))),
    function("greaterthan", &[A, B], |all| compare(all, std::cmp::Ordering::is_gt)),
    function("greaterthanorequalto", &[A, B], |all| compare(all, std::cmp::Ordering::is_ge)),
    function("lessthan", &[A, B], |all| compare(all, std::cmp::Ordering::is_lt)),
    function("lessthanorequalto", &[A, B], |all| compare(all, std::cmp::Ordering::is_le)),
    function("equal", &[nullable("a"), nullable("b")], |all| Ok(Value::Bool(all[0].equals(&all[1])))),
    function("notequal", &[nullable("a"), nullable("b")], |all| Ok(Value::Bool(!all[0].equals(&all[1])))),
    function("not", &[parameter("val", Wanted::Bool)], |all| Ok(Value::Bool(!truth(&all[0])))),
    function("and", &[LEFT, RIGHT], |all| Ok(Value::Bool(truth(&all[0]) && truth(&all[1])))),
    function("or", &[LEFT, RIGHT], |all| Ok(Value::Bool(truth(&all[0]) || truth(&all[1])))),
    function("ceil", &[NUM], |all| Ok(Value::Number(number_of(all, 0).ceil()))),
    function("floor", &[NUM], |all| Ok(Value::Number(number_of(all, 0).floor()))),
    function("int", &[NUM], int),
    function("log", &[NUM, parameter("base", Wanted::Number)], |all| machine(all, |num, base| ln(num) / ln(base))),
    function("pow", &[NUM, parameter("power", Wanted::Number)], |all| machine(all, f64::powf)),
    function("signum", &[NUM], |all| Ok(Value::Number(Number::small(whole(all, 0)?.signum())))),
    variadic("max", &[], parameter("numbers", Wanted::Number), |all| extreme(all, std::cmp::Ordering::Greater)),
    variadic("min", &[], parameter("numbers", Wanted::Number), |all| extreme(all, std::cmp::Ordering::Less)),
    function("parseint", &[parameter("number", Wanted::Any), parameter("base", Wanted::Number)], parse_int),
];

pub(super) fn truth(value: &Value) -> bool {
    matches!(value, Value::Bool(true))
}

fn arithmetic(all: &[Value], run: fn(&Number, &Number) -> Result<Number, NotANumber>, no_result: &str) -> Outcome {
    run(&number_of(all, 0), &number_of(all, 1)).map(Value::Number).map_err(|NotANumber| Failure::new(no_result))
}

fn compare(all: &[Value], test: fn(std::cmp::Ordering) -> bool) -> Outcome {
    Ok(Value::Bool(test(number_of(all, 0).compare(&number_of(all, 1)))))
}

fn machine(all: &[Value], run: fn(f64, f64) -> f64) -> Outcome {
    let result = run(number_of(all, 0).to_f64(), number_of(all, 1).to_f64());
    Number::machine(result).map(Value::Number).map_err(|NotANumber| Failure::new("the result is not a number"))
}

fn int(all: &[Value]) -> Outcome {
    let number = number_of(all, 0);
    if number.is_infinite() {
        return Err(Failure::new("can't truncate infinity to an integer"));
    }
    Ok(Value::Number(if number.is_integer() { number } else { Number::integer(&number.truncate()) }))
}

fn extreme(all: &[Value], wanted: std::cmp::Ordering) -> Outcome {
    let numbers = (0..all.len()).map(|index| number_of(all, index));
    let best = numbers.reduce(|best, next| if next.compare(&best) == wanted { next } else { best });
    best.map(Value::Number).ok_or_else(|| Failure::new("must pass at least one number"))
}

fn parse_int(all: &[Value]) -> Outcome {
    if !matches!(all[0], Value::String(_)) {
        let kind = all[0].kind().name();
        return Err(Failure::argument(0, format!("first argument must be a string, not {kind}")));
    }
    let base = whole(all, 1).map_err(|failure| Failure::argument(1, failure.message))?;
    let Some(base) = u32::try_from(base).ok().filter(|base| (2..=62).contains(base)) else {
        return Err(Failure::argument(1, "base must be a whole number between 2 and 62 inclusive"));
    };
    let text = text_of(all, 0);
    let wrong = || Failure::argument(0, format!("cannot parse {text:?} as a base {base} integer"));
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 10_000 {
        return Err(wrong());
    }
    let mut value = BigInt::from(0);
    for digit in digits.bytes() {
        let worth = match digit {
            b'0'..=b'9' => u32::from(digit - b'0'),
            b'a'..=b'z' => u32::from(digit - b'a') + 10,
            b'A'..=b'Z' => u32::from(digit - b'A') + if base > 36 { 36 } else { 10 },
            _ => return Err(wrong()),
        };
        if worth >= base {
            return Err(wrong());
        }
        value = value * base + worth;
    }
    Ok(Value::Number(Number::integer(&if text.starts_with('-') { -value } else { value })))
}
