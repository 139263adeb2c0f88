//! Numbers become round, flags become false: for every number and flag of faults and clients.
//!
//! They are found in the plan's JSON, so that a new kind of fault needs nothing here.

use serde_json::Value;

use crate::plan::{ClientPlan, Plan, Planned};

use super::super::edit::steps;
use super::super::shrinker::Shrinker;

/// Fields that are names, not amounts.
const NAMES: [&str; 9] =
    ["peer", "client", "servers", "sides", "data", "follower", "version", "path", "name"];

/// Longer scripts are not worth it yet: another round will find them shorter.
const STEPS: usize = 40;

/// Simplifies faults, then clients, then their scripts.
pub fn simplify(shrinker: &mut Shrinker<'_>) {
    for nth in 0..shrinker.best.faults.len() {
        each(
            shrinker,
            |plan| fields(&plan.faults[nth]),
            |plan, value| {
                let planned: Planned = serde_json::from_value(value).ok()?;
                let mut plan = plan.clone();
                *plan.faults.get_mut(nth)? = planned;
                Some(plan)
            },
        );
    }
    if steps(&shrinker.best) > STEPS {
        return;
    }
    for nth in 0..shrinker.best.clients.len() {
        if !shrinker.best.clients[nth].servers.is_empty() {
            let mut plan = shrinker.best.clone();
            let first = plan.clients[nth].servers[0];
            plan.clients[nth].servers = vec![first];
            shrinker.offer(plan);
        }
        each(
            shrinker,
            |plan| fields(&plan.clients[nth]),
            |plan, value| {
                let client: ClientPlan = serde_json::from_value(value).ok()?;
                let mut plan = plan.clone();
                *plan.clients.get_mut(nth)? = client;
                Some(plan)
            },
        );
    }
}

fn fields(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).expect("a plan is plain data")
}

/// Offers plans in which one number or flag after the other is simpler.
fn each(
    shrinker: &mut Shrinker<'_>,
    read: impl Fn(&Plan) -> Value,
    write: impl Fn(&Plan, Value) -> Option<Plan>,
) {
    let mut slots = Vec::new();
    find(&read(&shrinker.best), &mut String::new(), &mut slots);
    for slot in slots {
        if shrinker.is_over() {
            return;
        }
        let whole = read(&shrinker.best);
        for simpler in whole.pointer(&slot).map(simpler).unwrap_or_default() {
            let mut value = whole.clone();
            if let Some(place) = value.pointer_mut(&slot) {
                *place = simpler;
            }
            let plan = write(&shrinker.best, value);
            if plan.is_some_and(|plan| shrinker.offer(plan)) {
                break;
            }
        }
    }
}

/// The places of all numbers and flags.
fn find(value: &Value, path: &mut String, slots: &mut Vec<String>) {
    let mut inner = |name: &str, value: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(name);
        find(value, path, slots);
        path.truncate(length);
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if !NAMES.contains(&name.as_str()) {
                    inner(name, value);
                }
            }
        }
        Value::Array(items) => {
            for (nth, value) in items.iter().enumerate() {
                inner(&nth.to_string(), value);
            }
        }
        Value::Number(_) | Value::Bool(true) => slots.push(path.clone()),
        Value::Bool(false) | Value::String(_) | Value::Null => {}
    }
}

/// What is simpler than this, the simplest first.
fn simpler(value: &Value) -> Vec<Value> {
    if *value == Value::Bool(true) {
        return vec![Value::Bool(false)];
    }
    let Some(now) = value.as_u64() else { return Vec::new() };
    let mut all = vec![0, 1];
    if now > 1 {
        let unit = 10_u64.pow(now.ilog10());
        all.extend([unit, now / unit * unit, now / unit * unit + unit]);
        if unit >= 10 {
            all.extend([now / (unit / 10) * (unit / 10), (now / (unit / 10) + 1) * (unit / 10)]);
        }
        if now < 100 {
            all.extend([now / 2, now - 1]);
        }
    }
    let digits = |n: u64| n.to_string().trim_end_matches('0').len();
    let is_simpler = |n: &u64| (digits(*n), *n) < (digits(now), now);
    let mut seen = Vec::new();
    all.retain(|n| {
        is_simpler(n) && !seen.contains(n) && {
            seen.push(*n);
            true
        }
    });
    all.into_iter().map(Value::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simpler_numbers_have_fewer_digits_or_are_smaller() {
        let of = |n: u64| -> Vec<u64> {
            simpler(&Value::from(n)).iter().filter_map(Value::as_u64).collect()
        };
        assert_eq!(of(0), Vec::<u64>::new());
        assert_eq!(of(1), [0]);
        assert_eq!(of(3), [0, 1, 2]);
        assert_eq!(of(4_731), [0, 1, 1_000, 4_000, 5_000, 4_700, 4_800]);
        assert_eq!(of(400), [0, 1, 100]);
        assert_eq!(simpler(&Value::Bool(true)), [Value::Bool(false)]);
    }
}
