//! Every format's quirks, and that nothing is accepted that was not understood.

use super::*;
use crate::base::random::{Dice, Draw};

/// A history's calls, one per line, or why it is refused.
fn told(text: &str) -> String {
    told_as(text, Format::Auto)
}

fn told_as(text: &str, format: Format) -> String {
    let foreign = match read(&mut text.as_bytes(), format) {
        Ok(foreign) => foreign,
        Err(refusal) => return refusal.to_string(),
    };
    let mut lines = vec![format!("{} {} notes", foreign.format.name(), foreign.notes)];
    for call in foreign.calls.iter() {
        let show = |value| foreign.words.show(value);
        let key = match call.key {
            0 => String::new(),
            key => format!(" on {}", show(foreign.keys.get(key))),
        };
        let returned = match call.returned {
            u32::MAX => "-".to_string(),
            at => at.to_string(),
        };
        lines.push(format!(
            "p{} {}..{returned} {}{key} {} -> {:?} {} (lines {}, {})",
            call.process,
            call.invoked,
            foreign.words.text(call.f),
            show(&call.asked),
            call.end,
            show(&call.got),
            call.line,
            call.end_line,
        ));
    }
    lines.join("\n")
}

#[test]
fn operations_of_edn_one_per_line() {
    let text = r#"; a history
{:type :invoke, :f :write, :value 3, :process 0, :time -1, :index 0}
#jepsen.history.Op{:index 2, :time 12, :type :invoke, :process 1, :f :read, :value nil}
{:type :info, :f :start, :process :nemesis, :value "cut {off", :index 3}
{:type :ok, :f :write, :value 3, :process 0, :extra {:deep [1 #{2}]}, :index 7}
#_ {:type :ok :process 9 :f :gone}
{:type :info :f :read :value :timed-out :process 1 :error [:timeout "x"]}
{:type :info, :process 5, :f :note}
{:type :invoke, :f :cas, :value [3 4], :process 2}
{:type :fail, :f :cas, :value [3 4], :process 2, :error :did-not-match}
{:type :invoke, :f :cas, :value [3 5], :process 2}
{:type :fail, :f :cas, :value [3 5], :process 2, :error [:conn-refused 1]}
{:type :invoke, :f :read, :process 6 :index nil}"#;
    insta::assert_snapshot!(told(text));
}

#[test]
fn operations_within_one_vector_or_list() {
    let op = "{:type :invoke, :process 0, :f :acquire} {:type :ok, :process 0 :f :acquire}";
    insta::assert_snapshot!(told(&format!("[{op}]")));
    assert_eq!(told(&format!("(\n{op})\n")).replace("lines 2, 2", "lines 1, 1"), told(op));
}

#[test]
fn operations_as_json() {
    let text = r#"[{"type":"invoke","f":"write","value":1,"process":0},
 {"type":"ok","f":"write","value":1,"process":0}]"#;
    insta::assert_snapshot!(told(text));
}

#[test]
fn keys_hide_in_tuples() {
    let text = "{:type :invoke, :f :read, :value [:x nil], :process 0}
{:type :ok, :f :read, :value [:x 3], :process 0}
{:type :invoke, :f :cas, :value [7 [1 2]], :process 0}
{:type :info, :f :cas, :value :timed-out, :process 0}";
    insta::assert_snapshot!(told(text));
    let plain = "{:type :invoke, :f :cas, :value [1 2], :process 0}";
    insta::assert_snapshot!(told(plain));
}

/// One call that has no tuple shows that none was one, and nothing is lost by having taken them
/// apart until then.
#[test]
fn pairs_are_no_tuples_if_one_call_has_none() {
    let pairs = "{:type :invoke, :f :write, :value [7 1], :process 0}
{:type :ok, :f :write, :value [7 1], :process 0}
{:type :invoke, :f :write, :value [8 2], :process 0}
{:type :fail, :f :write, :value :timed-out, :process 0}
{:type :invoke, :f :write, :value [8 2], :process 0}
{:type :ok, :f :write, :value [7 2], :process 0}";
    let odd = read(&mut pairs.as_bytes(), Format::Auto).expect_err("it ends another key's call");
    assert!(odd.what.contains("on key 8, and names key 7"), "{odd}");
    for last in [":f :write, :value 3", ":f :write, :key 7, :value 3", ":f :cas, :value [1 2]"] {
        let text = format!("{pairs}\n{{:type :invoke, {last}, :process 1}}");
        let foreign = read(&mut text.as_bytes(), Format::Auto).expect("it is well");
        let show = |call: &Call| {
            let (asked, got) = (foreign.words.show(&call.asked), foreign.words.show(&call.got));
            format!("{asked} {got}")
        };
        let all: Vec<String> = foreign.calls.iter().take(3).map(show).collect();
        assert_eq!(all, ["[7 1] [7 1]", "[8 2] :timed-out", "[8 2] [7 2]"], "{last}");
        assert_eq!(foreign.keys.len(), usize::from(last.contains(":key")), "{last}");
    }
}

#[test]
fn transactions_of_one_operation() {
    let text = "{:type :invoke, :f :txn, :value [[:append :x 1]], :process 0}
{:type :ok, :f :txn, :value [[:append :x 1]], :process 0}
{:type :invoke, :f :txn, :value [[:r :x nil]], :process 0}
{:type :ok, :f :txn, :value [[:r :x [1 2]]], :process 0}";
    insta::assert_snapshot!(told(text));
    // Other names for the same, and the same as JSON.
    let other = text.replace(":txn", ":transact").replace("[:r ", "[:read ");
    assert_eq!(told(&other), told(text));
    let json = r#"{"type":"invoke","f":"txn","value":[["append","x",1]],"process":0}
{"type":"ok","f":"txn","value":[["append","x",1]],"process":0}
{"type":"invoke","f":"txn","value":[["r","x",null]],"process":0}
{"type":"ok","f":"txn","value":[["r","x",[1,2]]],"process":0}"#;
    assert_eq!(told(json).replace("json", "edn").replace("\"x\"", ":x"), told(text));
}

/// What each operation of a transaction is, key by name.
fn micros(text: &str) -> Vec<String> {
    let foreign = read(&mut text.as_bytes(), Format::Auto).expect("it is well");
    let words = &foreign.words;
    let one = |micro: Micro<'_>| {
        let key = words.show(foreign.keys.get(micro.key));
        format!("{} {key} {}", micro.act.name(), words.show(micro.value))
    };
    let all = foreign.calls.iter().map(|call| {
        let micros: Vec<String> = call.micros(words).map(one).collect();
        format!("{} {:?} {}", call.several, call.end, micros.join(", "))
    });
    all.collect()
}

/// Reads have what their completion says, or nothing; one of one operation stands for itself.
#[test]
fn transactions_of_several_operations() {
    let text = "{:type :invoke, :f :txn, :value [[:r :x 7] [:write [1 2] 1] [:r :x]], :process 0}";
    let text = text.replace("[:r :x]", "[:r 5 nil]");
    let ends = [
        ":ok, :f :txn, :value [[:read :x 3] [:w [1 2] 1] [:r 5 [4]]]",
        ":ok, :f :txn, :value [[:read :x nil] [:w [1 2] nil] [:r 5 #{4}]]",
        ":fail, :f :txn, :value [[:r :x nil] [:w [1 2] 1] [:r 5 nil]]",
        ":fail, :f :txn, :value :timed-out",
        ":info, :f :txn, :value nil",
        ":info, :f :txn, :value [:timeout 5]",
    ];
    let told: Vec<String> = ends
        .iter()
        .flat_map(|end| micros(&format!("{text}\n{{:type {end}, :process 0}}")))
        .collect();
    assert_eq!(
        told,
        [
            "true Ok r :x 3, w [1 2] 1, r 5 [4]",
            "true Ok r :x nil, w [1 2] 1, r 5 #{4}",
            "true Refused r :x nil, w [1 2] 1, r 5 nil",
            "true Failed r :x nil, w [1 2] 1, r 5 nil",
            "true Unknown r :x nil, w [1 2] 1, r 5 nil",
            "true Unknown r :x nil, w [1 2] 1, r 5 nil",
        ]
    );
    let none = "{:type :invoke, :f :txn, :value [], :process 0}
{:type :invoke, :f :txn, :value [[:w 1 2]], :process 1}";
    assert_eq!(micros(none), ["true Unknown ", "false Unknown "]);
    assert_eq!(size_of::<Call>(), 64);
}

/// A completion has the operations of its invocation, but for what was read.
#[test]
fn transactions_that_end_otherwise_are_refused() {
    let several = "{:type :invoke, :f :txn, :value [[:r :x nil] [:w :y 1]], :process 0}";
    let one = "{:type :invoke, :f :txn, :value [[:append :x 1]], :process 0}";
    let read = "{:type :invoke, :f :txn, :value [[:r :x nil]], :process 0}";
    let cases = [
        (several, ":ok, :f :txn, :value [[:r :x 1] [:w :y 2]]"),
        (several, ":ok, :f :txn, :value [[:r :z 1] [:w :y 1]]"),
        (several, ":ok, :f :txn, :value [[:r :x 1] [:w \"y\" 1]]"),
        (several, ":ok, :f :txn, :value [[:w :y 1] [:r :x 1]]"),
        (several, ":ok, :f :txn, :value [[:r :x 1]]"),
        (several, ":ok, :f :txn, :value [[:r :x 1] [:w :y 1] [:r :x 1]]"),
        (several, ":ok, :f :txn, :value [[:r :x] [:w :y 1]]"),
        (several, ":ok, :f :txn, :value [[:r :x 1] [:inc :y 1]]"),
        (several, ":ok, :f :txn, :value nil"),
        (several, ":ok, :f :txn, :value [:r :x]"),
        (several, ":ok, :f :read, :value 3"),
        (several, ":fail, :f :txn, :value [[:r :x nil] [:w :y 3]]"),
        (several, ":info, :f :txn, :value [[:r :x nil] [:w :y 3]]"),
        (one, ":ok, :f :txn, :value [[:append :x 2]]"),
        (one, ":ok, :f :txn, :value [[:append :y 1]]"),
        (one, ":ok, :f :txn, :value [[:r :x [1]]]"),
        (one, ":ok, :f :txn, :value [[:append :x 1] [:r :x [1]]]"),
        (one, ":ok, :f :txn, :value []"),
        (read, ":ok, :f :txn, :value nil"),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(asked, end)| {
            let told = told(&format!("{asked}\n{{:type {end}, :process 0}}"));
            assert!(told.starts_with("2:1: "), "{asked} {end}: {told}");
            format!("{end}\n    => {told}")
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n\n"));
}

/// Keys that transactions bind together are a history of their own.
#[test]
fn keys_that_transactions_bind_stay_together() {
    let txns = ["[[:w 1 1]]", "[[:w 2 1] [:w 3 1]]", "[]", "[[:r 4 nil]]", "[[:w 5 1] [:r 3 nil]]"];
    let apart = |txns: &[&str]| {
        let line = |(process, value): (usize, &&str)| {
            format!("{{:type :invoke, :f :txn, :value {value}, :process {process}}}\n")
        };
        let text: String = txns.iter().enumerate().map(line).collect();
        let foreign = read(&mut text.as_bytes(), Format::Auto).expect("it is well");
        let one = |(name, foreign): (String, Foreign)| format!("{name}: {}", foreign.calls.len());
        foreign.by_key().into_iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(apart(&txns), ["1: 1", "2 3 5: 2", "4: 1"]);
    let wide = "[[:w 1 1] [:w 2 1] [:w 3 1] [:w 4 1] [:w 5 1] [:w 6 1]]";
    assert_eq!(apart(&[wide]), ["1 2 3 4 and 2 more: 1"]);
}

#[test]
fn key_value_lines() {
    let text = r#"{:process 4, :type :invoke, :f :get, :key "8", :value nil}
{:process 4, :type :ok, :f :get, :key "8", :value "x 4 0 y"}
{:process 1, :type :invoke, :f :append, :key "8", :value "x 1 1 y"}"#;
    insta::assert_snapshot!(told(text));
}

#[test]
fn columns_of_consoles_with_tabs_and_blanks() {
    let text = "INFO  jepsen.core - Worker 0 starting
INFO  jepsen.util - 0\t:invoke\t:write\t2
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
INFO [2024-01-02 03:04:05,678] jepsen worker 3 - jepsen.util 3\t:invoke\t:cas\t[2 4]
2016-09-18 13:00:00,123{GMT}\tINFO\t[jepsen worker 0] jepsen.util: 0\t:ok\t:write\t2
INFO  jepsen.util - :nemesis :info :start Cut off {:n1 #{:n2}}

INFO  jepsen.util - 3   :info  :cas   :timed-out
4 :invoke :read nil
4 :fail :read :timed-out
4 :invoke :cas [2 [3 \"é\"]]
4 :fail :cas [2 [3 \"é\"]] :did-not-match";
    insta::assert_snapshot!(told(text));
}

#[test]
fn porcupine_s_operations_and_events() {
    let operations = r#"[{"ClientId":0,"Input":{"Op":1,"Key":"a","Value":"x"},"Call":5,
"Output":{"V":""},"Return":10},
{"ClientId":1,"Input":{"op":"get","key":"a"},"Call":10,"Output":"x","Return":12},
{"ClientId":2,"Input":{"op":2,"arg1":1,"arg2":2},"Call":1,"Output":{"unknown":true},"Return":99},
{"ClientId":2,"Input":{"op":2,"arg1":1,"arg2":2},"Call":100,"Output":{"ok":false},"Return":101}]"#;
    insta::assert_snapshot!(told(operations));
    let events = r#"{"ClientId":0,"Kind":false,"Value":{"Op":true},"Id":7}
{"ClientId":1,"Kind":0,"Value":{"Op":false,"Value":3},"Id":8}
{"ClientId":0,"Kind":"ReturnEvent","Value":{"Exists":false,"Value":1},"Id":7}"#;
    insta::assert_snapshot!(told(events));
}

#[test]
fn what_cannot_be_understood_is_refused_with_its_place() {
    let invoke = "{:type :invoke, :process 0, :f :read}";
    let cases = [
        String::new(),
        " \n; only a comment\n".to_string(),
        "[]".to_string(),
        "{:type :info, :process :nemesis, :f :start}".to_string(),
        "INFO  jepsen.core - nothing happened".to_string(),
        "once upon a time".to_string(),
        "JEPSEN..".to_string(),
        format!("{invoke}\n{invoke}"),
        format!("{invoke}\n {{:type :ok, :process 0, :f :write}}"),
        "{:type :ok, :process 0, :f :read}".to_string(),
        "{:type :maybe, :process 0, :f :read}".to_string(),
        "{:process 0, :f :read}".to_string(),
        "{:type :invoke, :process -1, :f :read}".to_string(),
        "{:type :invoke, :process 0}".to_string(),
        format!("{invoke}\n{{:type :ok, :process 0, :f"),
        format!("[{invoke}"),
        format!("[{invoke}] {invoke}"),
        format!("{invoke} 7"),
        "{:type :invoke, :process 0, :f :read, :index 4}{:type :ok, :process 0, :f :read, :index 3}"
            .to_string(),
        "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.util - 0\t:o".to_string(),
        "0 :invoke :read nil\nwho wrote this?".to_string(),
        "0 :invoke :write [1".to_string(),
        "0 :invoke :write 1 2".to_string(),
        "0 :invoke\n".to_string(),
        "[{\"ClientId\":0,\"Input\":{\"Op\":7},\"Call\":0,\"Return\":1}]".to_string(),
        "[{\"ClientId\":0,\"Input\":{\"Op\":0},\"Call\":2,\"Return\":1}]".to_string(),
        "[{\"ClientId\":0,\"Kind\":1,\"Value\":0,\"Id\":1}]".to_string(),
        "[{\"ClientId\":0,\"Call\":0,\"Return\":1}".to_string(),
        "{:type :invoke, :f :txn, :value [[:inc :x 1]], :process 0}".to_string(),
        "{:type :invoke, :f :txn, :value [[:r :x nil] [:w :x]], :process 0}".to_string(),
        "{:type :invoke, :f :txn, :value [[:r :x nil] :w], :process 0}".to_string(),
        "{:type :invoke, :f :txn, :value 7, :process 0}".to_string(),
        "[{\"ClientId\":0,\"Input\":{\"Op\":\"txn\",\"Key\":1,\"Value\":[\"r\",99,1]},\"Call\":0,\
         \"Return\":1}]"
        .to_string(),
    ];
    let lines: Vec<String> =
        cases.iter().map(|text| format!("{text}\n    => {}", told(text))).collect();
    insta::assert_snapshot!(lines.join("\n\n"));
}

/// What is written is read back as the same calls, in every format.
#[test]
fn what_is_written_is_read_back() {
    let text = "{:type :invoke, :f :write, :value [1 3], :process 0}
{:type :invoke, :f :cas, :value [1 [3 4]], :process 1}
{:type :ok, :f :write, :value [1 3], :process 0}
{:type :fail, :f :cas, :value [1 [3 4]], :process 1}
{:type :invoke, :f :read, :value [2 nil], :process 1}
{:type :invoke, :f :read, :value [2 nil], :process 0}
{:type :ok, :f :read, :value [2 nil], :process 1}";
    let txns = "{:type :invoke, :f :txn, :value [[:r 1 nil] [:w 2 3]], :process 0}
{:type :invoke, :f :txn, :value [[:w 1 4]], :process 1}
{:type :ok, :f :txn, :value [[:r 1 4] [:w 2 3]], :process 0}
{:type :invoke, :f :txn, :value [], :process 0}
{:type :ok, :f :txn, :value [], :process 0}
{:type :invoke, :f :txn, :value [[:r 1 nil] [:r 3 nil]], :process 0}
{:type :fail, :f :txn, :value [[:r 1 nil] [:r 3 nil]], :process 0}
{:type :info, :f :txn, :value [[:w 1 4]], :process 1}";
    for text in [text, txns] {
        read_back(text);
    }
}

fn read_back(text: &str) {
    let calls = |foreign: &Foreign| {
        let mut foreign = foreign.clone();
        for call in foreign.calls.iter_mut() {
            (call.line, call.end_line) = (0, 0);
            let reads = call.several || foreign.words.text(call.f) == "read";
            if call.end != End::Ok || !reads {
                call.got = Value::Nil;
            }
        }
        let foreign = &foreign;
        let show = |call: &Call| {
            let key = foreign.words.show(foreign.keys.get(call.key));
            let f = foreign.words.text(call.f);
            let asked = foreign.words.show(&call.asked);
            let got = foreign.words.show(&call.got);
            format!("{} {f} {key} {asked} {got} {:?}", call.process, call.end)
        };
        let all: Vec<String> = foreign.calls.iter().map(show).collect();
        (all, foreign.calls.iter().map(|c| (c.invoked, c.returned)).collect::<Vec<_>>())
    };
    let first = read(&mut text.as_bytes(), Format::Auto).expect("it is well");
    for format in [Format::Edn, Format::Json, Format::Lines, Format::Porcupine] {
        let mut out = Vec::new();
        write::write(&first, format, &mut out).expect("a vector takes everything");
        let again = read(&mut out.as_slice(), Format::Auto).expect("it was just written");
        assert_eq!(again.format, format);
        assert_eq!(calls(&again).0, calls(&first).0, "{}", String::from_utf8_lossy(&out));
        if format != Format::Porcupine {
            assert_eq!(calls(&again).1, calls(&first).1, "{format:?}");
        }
    }
}

/// Random damage: no panic, and never a history without calls.
#[test]
fn damaged_histories_are_read_or_refused_and_never_empty() {
    let seeds = [
        "{:type :invoke, :f :write, :value [1 #{\"a\\u00e9\"}], :process 0, :index 0}\n\
         #op{:type :ok, :f :write, :value [1 #{\"a\"}], :process 0} #_ [x] ; end\n",
        "[{:type :invoke :f :txn :value [[:append :x 1]] :process 0}]",
        "{:type :invoke :f :txn :value [[:r 1 nil] [:w 2 3]] :process 0}\n\
         {:type :ok :f :txn :value [[:r 1 5] [:w 2 3]] :process 0}",
        "[{\"type\":\"invoke\",\"f\":\"read\",\"value\":null,\"process\":0}]",
        "INFO  jepsen.util - 0\t:invoke\t:cas\t[2 4]\nINFO  jepsen.util - 0\t:fail\t:cas\t[2 4]\n",
        "[{\"ClientId\":0,\"Input\":{\"Op\":2,\"Arg1\":1,\"Arg2\":2},\"Call\":1,\
         \"Output\":{\"ok\":true},\"Return\":2}]",
        "{\"ClientId\":0,\"Kind\":false,\"Value\":{\"Op\":true},\"Id\":7}",
    ];
    let mut dice = Dice::new(1, "damage");
    let mut accepted = 0;
    for round in 0..30_000 {
        let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..dice.between(1, 4) {
            let at = dice.below(bytes.len() as u64 + 1) as usize;
            match dice.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, *dice.pick(b"{}[]()#:;\"\\ \t\n,0-9a\xff_^'.")),
                2 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
                _ if at < bytes.len() => drop(bytes.remove(at)),
                _ => {}
            }
        }
        for format in Format::ALL {
            if let Ok(foreign) = read(&mut bytes.as_slice(), format) {
                accepted += 1;
                assert!(!foreign.calls.is_empty(), "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
    assert!(accepted > 1000, "{accepted} were read");
}

/// A reader whose source breaks says so, and not that the text is wrong.
#[test]
fn a_failing_source_is_told_apart_from_a_short_text() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(std::io::Error::other("the disk is gone"));
            }
            let text = b"{:type :invoke, :process 0, :f :read";
            out[..text.len()].copy_from_slice(text);
            Ok(text.len())
        }
    }
    let refusal = read(&mut Broken(false), Format::Edn).expect_err("it breaks");
    assert!(refusal.what.contains("the disk is gone"), "{refusal}");
}

/// An invocation and its end, as EDN.
fn ended(process: u64, f: &str, asked: &str, end: &str, got: &str) -> String {
    format!(
        "{{:type :invoke, :process {process}, :f :{f}, :value {asked}}}\n\
         {{:type :{end}, :process {process}, :f :{f}, :value {got}}}\n"
    )
}

#[test]
fn what_failed_is_written_as_having_failed() {
    let mut text = String::new();
    for f in ["write", "cas"] {
        let value = if f == "cas" { "[1 2]" } else { "1" };
        text.push_str(&ended(0, f, value, "fail", value));
        text.push_str(&ended(1, f, value, "fail", ":timed-out"));
        text.push_str(&ended(2, f, value, "ok", value));
    }
    let ends = |bytes: &mut &[u8], format| {
        let foreign = read(bytes, format).expect("it can be read");
        let ends: Vec<End> = foreign.calls.iter().map(|call| call.end).collect();
        (ends, foreign)
    };
    let (wanted, foreign) = ends(&mut text.as_bytes(), Format::Edn);
    assert_eq!(wanted, [End::Refused, End::Failed, End::Ok].repeat(2));
    for format in [Format::Edn, Format::Json, Format::Lines, Format::Porcupine] {
        let mut bytes = Vec::new();
        write::write(&foreign, format, &mut bytes).expect("memory holds it");
        assert_eq!(ends(&mut bytes.as_slice(), format).0, wanted, "{format:?}");
    }
}

/// What maps of texts append has a field for its key, but not among transactions.
#[test]
fn texts_that_transactions_append_stay_transactions() {
    let mut text = ended(0, "txn", "[[:append :x \"a\"]]", "ok", "[[:append :x \"a\"]]");
    text.push_str(&ended(0, "txn", "[[:r :x nil]]", "ok", "[[:r :x [\"a\"]]]"));
    let foreign = read(&mut text.as_bytes(), Format::Edn).expect("it can be read");
    for format in [Format::Edn, Format::Json, Format::Lines] {
        let mut bytes = Vec::new();
        write::write(&foreign, format, &mut bytes).expect("memory holds it");
        let again = read(&mut bytes.as_slice(), format).expect("it can be read");
        let keys: Vec<u32> = again.calls.iter().map(|call| call.key).collect();
        assert_eq!(keys, [1, 1], "{format:?}: {}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_failed_transaction_may_say_why_and_is_no_list_that_grows() {
    let excuse = ended(0, "txn", "[[:w :x 1]]", "fail", "[:aborted \"conflict\"]");
    assert!(told(&excuse).contains("Failed") || told(&excuse).contains("Refused"), "{excuse}");
    let mut text =
        ended(0, "txn", "[[:r :x nil] [:r :y nil]]", "fail", "[[:r :x [1 2 9]] [:r :y []]]");
    let seen = "[[:r :x [1 2 3]] [:r :y []]]";
    text.push_str(&ended(0, "txn", "[[:r :x nil] [:r :y nil]]", "ok", seen));
    let foreign = read(&mut text.as_bytes(), Format::Edn).expect("it can be read");
    let last = foreign.calls.iter().last().expect("there are two");
    let first = last.got.as_list().and_then(|seen| seen.first());
    assert!(matches!(first, Some(Value::Prefix { len: 3, .. })), "{first:?}");
    // A field for a key says nothing of a transaction.
    let keyed = text.replace(":f :txn", ":f :txn, :key 7");
    assert_eq!(told(&keyed), told(&text));
}
