//! The JSON document: it keeps to its published schema, and its sums hold.

use crate::fixtures::{Truth, all, profile};
use crate::locks;
use jsonschema::Validator;
use pyobserve::classify::classify;
use pyobserve::diagnose::{Settings, diagnose, proved_spins};
use pyobserve::model::Profile;
use pyobserve::{
    model::{Called, CalledAt, Calls, FunctionOrder, ImportedModule, Imports, StackId, Tid},
    report::{
        CLASSIFY_SCHEMA, DOCTOR_SCHEMA, FUNCTIONS_SCHEMA, IMPORTS_SCHEMA, SPIN_SCHEMA,
        write_functions_json, write_imports_json, write_json, write_spin_json,
    },
};
use serde_json::{Value, json};

fn document(profile: &Profile) -> Value {
    let classification = classify(profile);
    let findings = diagnose(profile, &classification, &Settings::default());
    let mut out = Vec::new();
    write_json(profile, &classification, &findings, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 1, "one document, one line");
    serde_json::from_str(&text).unwrap()
}

fn validator(schema: &str) -> Validator {
    let schema: Value = serde_json::from_str(schema).unwrap();
    jsonschema::meta::validate(&schema).expect("the schema itself is valid");
    jsonschema::draft202012::new(&schema).unwrap()
}

fn check(validator: &Validator, document: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

fn all_processes() -> Profile {
    profile(all().into_iter().map(|truth| truth.process).collect())
}

/// With what none of those has.
fn all_fields() -> Profile {
    let mut profile = all_processes();
    profile.processes.extend(locks::examples());
    profile
}

#[test]
fn documents_keep_to_the_schema() {
    let validator = validator(CLASSIFY_SCHEMA);
    check(&validator, &document(&all_fields()));
    check(&validator, &document(&profile(Vec::new())));
    check(&validator, &document(&Profile::default()));
}

#[test]
fn the_schema_refuses_what_breaks_the_contract() {
    let validator = validator(CLASSIFY_SCHEMA);
    let good = document(&all_processes());
    for (pointer, bad) in [
        ("/schema_version", json!(2)),
        ("/processes/0/verdict/class", json!("CPU-BOUND")),
        ("/processes/0/time/on_cpu_ns", json!(1.5)),
        ("/processes/0/time/on_cpu_ns", Value::Null),
        ("/processes/0/time/blocked_by_reason", json!({"coffee": 1})),
        ("/processes/0/verdict/confidence", json!(1.2)),
        ("/loss", json!({})),
    ] {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = bad.clone();
        assert!(!validator.is_valid(&document), "{pointer} = {bad} passes");
    }
}

/// Every field that the document has is described, so that none slips in unseen.
#[test]
fn every_field_is_in_the_schema() {
    let mut schema: Value = serde_json::from_str(CLASSIFY_SCHEMA).unwrap();
    close(&mut schema);
    let strict = jsonschema::draft202012::new(&schema).unwrap();
    check(&strict, &document(&all_fields()));
}

#[test]
fn spins_keep_to_their_schema_and_no_field_is_missing_in_it() {
    let mut schema: Value = serde_json::from_str(SPIN_SCHEMA).unwrap();
    jsonschema::meta::validate(&schema).expect("the schema itself is valid");
    close(&mut schema);
    let strict = jsonschema::draft202012::new(&schema).unwrap();
    let profile = all_processes();
    let classification = classify(&profile);
    let findings = diagnose(&profile, &classification, &Settings::default());
    let mut spins = 0;
    for (process, finding) in proved_spins(&profile, &classification, &findings) {
        let mut out = Vec::new();
        write_spin_json(&profile, process, finding, &mut out).unwrap();
        check(&strict, &serde_json::from_slice(&out).unwrap());
        spins += 1;
    }
    assert_eq!(spins, 2, "the poller and the micro-sleeper");
}

#[test]
fn imports_keep_to_their_schema_and_no_field_is_missing_in_it() {
    let mut schema: Value = serde_json::from_str(IMPORTS_SCHEMA).unwrap();
    jsonschema::meta::validate(&schema).expect("the schema itself is valid");
    close(&mut schema);
    let strict = jsonschema::draft202012::new(&schema).unwrap();
    let profile = all_processes();
    let module = |module: &str, parent, total_ns| ImportedModule {
        module: module.to_owned(),
        tid: Tid(7),
        parent,
        found: Some(true),
        start_ns: 5,
        total_ns,
        on_cpu_ns: total_ns / 2,
        blocked_ns: total_ns / 4,
    };
    let imports = Imports {
        is_sampled: false,
        is_whole: true,
        modules: vec![
            module("json", None, 800),
            module("json.decoder", Some(0), 300),
        ],
        unmatched: 1,
        left_out: 0,
    };
    let mut out = Vec::new();
    let found = [(&profile.processes[0], imports)];
    write_imports_json(&profile, &found, &mut out).unwrap();
    let document: Value = serde_json::from_slice(&out).unwrap();
    check(&strict, &document);
    let json = &document["processes"][0]["modules"][0];
    assert_eq!(json["self_total_ns"], 500);
    assert_eq!(json["self_on_cpu_ns"], 250);
    assert_eq!(document["processes"][0]["total_ns"], 800);
}

#[test]
fn functions_keep_to_their_schema_and_no_field_is_missing_in_it() {
    let mut schema: Value = serde_json::from_str(FUNCTIONS_SCHEMA).unwrap();
    jsonschema::meta::validate(&schema).expect("the schema itself is valid");
    close(&mut schema);
    let strict = jsonschema::draft202012::new(&schema).unwrap();
    let mut profile = all_processes();
    let stack = StackId(1);
    let place = |what, line, count| CalledAt {
        what,
        tid: Tid(7),
        stack,
        line,
        count,
    };
    profile.processes[0].calls = Some(Calls {
        places: vec![
            place(Called::Function, None, 90),
            place(Called::Line, Some(12), 40),
        ],
        has_functions: true,
        has_lines: true,
        watched_ns: 1_000,
        armed_ns: 100,
        lost_ns: 50,
        ..Calls::default()
    });
    let tables: Vec<_> = profile
        .processes
        .iter()
        .map(|process| (process, process.function_table(FunctionOrder::Ncalls)))
        .collect();
    let mut out = Vec::new();
    write_functions_json(&profile, &tables, &mut out).unwrap();
    let document: Value = serde_json::from_slice(&out).unwrap();
    check(&strict, &document);
    let first = &document["processes"][0];
    assert_eq!(first["calls"]["source"], "estimated");
    // Half of a tenth of the time was its own.
    assert_eq!(first["functions"][0]["ncalls"], 1_800);
    assert_eq!(first["functions"][0]["lines"][0]["count"], 800);
    let others = document["processes"].as_array().unwrap().iter().skip(1);
    assert!(others.clone().count() > 0);
    for other in others {
        assert_eq!(other["calls"], Value::Null);
        let functions = other["functions"].as_array().unwrap();
        assert!(functions.iter().all(|one| one["ncalls"].is_null()));
    }
}

/// What the schemas describe alike is one thing.
#[test]
fn the_schemas_agree() {
    let schema = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let classify = schema(CLASSIFY_SCHEMA);
    let process = &classify["$defs"]["process"]["properties"];
    let (spin, imports) = (schema(SPIN_SCHEMA), schema(IMPORTS_SCHEMA));
    let functions = schema(FUNCTIONS_SCHEMA);
    let importer = &imports["properties"]["processes"]["items"];
    let caller = &functions["properties"]["processes"]["items"];
    for (other, identity) in [
        (&spin, &spin["properties"]),
        (&imports, &importer["properties"]),
        (&functions, &caller["properties"]),
    ] {
        for (name, definition) in other["$defs"].as_object().unwrap() {
            assert_eq!(definition, &classify["$defs"][name], "{name}");
        }
        for (name, property) in identity["process"]["properties"].as_object().unwrap() {
            assert_eq!(property, &process[name], "{name}");
        }
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn every_figure_is_said_to_be_exact_or_estimated() {
    let schema: Value = serde_json::from_str(CLASSIFY_SCHEMA).unwrap();
    let mut figures = 0;
    visit(&schema, &mut |name, property| {
        if name.ends_with("_ns") || matches!(name, "samples" | "count" | "confidence") {
            figures += 1;
            let said = property["description"].as_str().unwrap();
            assert!(
                said.starts_with("Exact: ") || said.starts_with("Estimated: "),
                "{name}: {said}"
            );
        }
    });
    assert!(figures > 30);
}

fn visit(schema: &Value, seen: &mut impl FnMut(&str, &Value)) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            seen(name, property);
        }
    }
    match schema {
        Value::Object(map) => map.values().for_each(|v| visit(v, seen)),
        Value::Array(items) => items.iter().for_each(|v| visit(v, seen)),
        _ => {}
    }
}

#[test]
fn each_fixture_gets_its_verdict() {
    for Truth {
        process,
        class,
        detail,
        place,
        ..
    } in all()
    {
        let pid = process.pid;
        let document = document(&profile(vec![process]));
        let verdict = &document["processes"][0]["verdict"];
        assert_eq!(verdict["class"], class, "{pid}: {verdict}");
        assert_eq!(verdict["detail"], json!(detail), "{pid}: {verdict}");
        match place {
            Some((function, file, line)) => {
                assert_eq!(verdict["blame"]["function"], function);
                assert!(verdict["blame"]["file"].as_str().unwrap().ends_with(file));
                assert_eq!(verdict["blame"]["line"], line);
            }
            None => assert!(verdict["blame"].is_null()),
        }
        assert!(!verdict["because"].as_array().unwrap().is_empty());
    }
}

#[test]
fn functions_and_unattributed_time_sum_to_the_process() {
    let document = document(&all_processes());
    for process in document["processes"].as_array().unwrap() {
        let time = &process["time"];
        let ns = |value: &Value| value.as_u64().unwrap();
        let states = ["on_cpu_ns", "runnable_ns", "blocked_ns"];
        let whole: u64 = states.iter().map(|state| ns(&time[state])).sum();
        let selves: u64 = process["functions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| ns(&f["self_on_cpu_ns"]) + ns(&f["self_blocked_ns"]) + ns(&f["runnable_ns"]))
            .sum();
        let rest: u64 = process["threads"]
            .as_array()
            .unwrap()
            .iter()
            .map(|thread| ns(&thread["unattributed_ns"]))
            .sum();
        assert_eq!(selves + rest, whole, "{}", process["pid"]);
        assert_eq!(ns(&time["unaccounted_ns"]) + whole, ns(&time["wall_ns"]));
        if let Some(user) = time["on_cpu_user_ns"].as_u64() {
            assert_eq!(user + ns(&time["on_cpu_kernel_ns"]), ns(&time["on_cpu_ns"]));
        }
        let shares: f64 = process["verdict"]["shares"]
            .as_object()
            .unwrap()
            .values()
            .map(|share| share.as_f64().unwrap())
            .sum();
        assert!((shares - 1.0).abs() < 1e-5, "{shares}");
    }
}

#[test]
fn what_is_not_known_is_null() {
    let document = document(&all_processes());
    let process = &document["processes"][0];
    for pointer in [
        "/time/steal_ns",
        "/time/gc_ns",
        "/time/gc_sampled_ns",
        "/time/throttled_ns",
        "/functions/0/calls",
        "/functions/0/native",
        "/python/usdt",
    ] {
        assert_eq!(process.pointer(pointer), Some(&Value::Null), "{pointer}");
    }
}

#[test]
fn finding_ids_are_stable_and_distinct() {
    let ids = |document: &Value| -> Vec<String> {
        document["processes"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|process| process["findings"].as_array().unwrap())
            .map(|finding| finding["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = ids(&document(&all_processes()));
    let mut later = all_processes();
    later.window.sequence = 1;
    for process in &mut later.processes {
        for thread in &mut process.threads {
            thread.times.on_cpu_ns -= thread.times.on_cpu_ns / 50;
        }
    }
    assert_eq!(first, ids(&document(&later)));
    assert!(first.len() >= 4);
    let distinct: std::collections::BTreeSet<_> = first.iter().collect();
    assert_eq!(distinct.len(), first.len());
}

#[test]
fn the_doctor_schema_holds_its_contract() {
    let validator = validator(DOCTOR_SCHEMA);
    let mut document = json!({
        "schema_version": 1,
        "kind": "doctor",
        "pyobserve_version": "0.1.0",
        "host": {"hostname": "web-7", "boot_id": "x", "kernel": "6.18.5", "cpus": 2},
        "checks": [{
            "id": "btf", "title": "kernel type information", "status": "PASS",
            "detail": "/sys/kernel/btf/vmlinux", "lost_without": null, "fix": null
        }],
        "ok": true
    });
    check(&validator, &document);
    document["checks"][0]["status"] = json!("MAYBE");
    assert!(!validator.is_valid(&document));
}
