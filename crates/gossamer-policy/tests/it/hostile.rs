//! Policies that mean harm cost only themselves.

use std::sync::Arc;

use gossamer_policy::{EvalError, Input, Policies, Refused, Tuning};

use crate::support::{PLACES, Place, Registry, decide, forward, policies, policies_with, source};

/// Short, so that the tests are.
fn short() -> Tuning {
    Tuning { evaluation_ms_max: 250, ..Tuning::default() }
}

/// A router that forwards, unless `input.path` is `/evil`.
fn evil_at(path: &str, what: &str) -> String {
    format!(
        r#"package router
import rego.v1
output := {{"found": true, "repository": "fine"}} if input.path != "{path}"
output := {{"found": true, "repository": sprintf("%v", [evil])}} if input.path == "{path}"
evil := {what}
many := numbers.range(1, 9000)
"#
    )
}

/// Doubling, `steps` times over.
fn doubling(steps: usize, first: &str, double: &str) -> String {
    let mut module = evil_at("/evil", &format!("count(step{steps})"));
    module.push_str(&format!("step0 := {first}\n"));
    for step in 0..steps {
        let next = double.replace("LAST", &format!("step{step}"));
        module.push_str(&format!("step{} := {next}\n", step + 1));
    }
    module
}

async fn harm(policies: &Policies, module: &str) -> EvalError {
    let registry = Arc::new(Registry::default());
    let policy = policies.admit(&source(module, "")).await.unwrap();
    let good = decide(policies, &policy, Input::new("GET", "/good"), &registry).await.unwrap();
    assert_eq!(good.0, forward("fine"));
    let error = decide(policies, &policy, Input::new("GET", "/evil"), &registry).await.unwrap_err();
    let good = decide(policies, &policy, Input::new("GET", "/good/again"), &registry).await.unwrap();
    assert_eq!(good.0, forward("fine"), "after {error}");
    error
}

#[tokio::test]
async fn recursion_is_refused_as_opa_refuses_it() {
    let policies = policies().await;
    let mutual = r#"package router
import rego.v1
output := {"found": true} if even(10)
even(n) if n == 0
even(n) if odd(n - 1)
odd(n) if even(n - 1)
"#;
    let itself =
        "package router\nimport rego.v1\noutput := {\"found\": true} if f(1) > 0\nf(n) := f(n + 1)\n";
    let through_data =
        "package router\noutput := {\"found\": x}\nx := data[\"router\"].y\ny := data.router.x\n";
    let through_alias =
        "package router\nimport data.router.y as z\noutput := {\"found\": x}\nx := z\ny := x\n";
    let through_everything = "package router\noutput := {\"found\": count(data) > 1}\n";
    for place in PLACES {
        for module in [mutual, itself, through_data, through_alias, through_everything] {
            let refused = place.take(&policies, &source(module, "")).await.unwrap_err();
            assert!(matches!(refused, Refused::Recursive { .. }), "{place:?} {module} {refused}");
        }
    }
}

#[tokio::test]
async fn functions_outside_the_list_are_refused() {
    let policies = policies().await;
    let calls = [
        "http.send({})",
        "opa.runtime()",
        "time.now_ns()",
        "rand.intn(\"x\", 3)",
        "net.cidr_expand(\"::/0\")",
    ];
    for place in PLACES {
        for call in calls {
            let module = format!("package router\noutput := {{\"found\": {call} != 1}}\n");
            let refused = place.take(&policies, &source(&module, "")).await.unwrap_err();
            assert!(matches!(refused, Refused::Function { line: 2, .. }), "{place:?} {call} {refused}");
        }
    }
}

#[tokio::test]
async fn what_is_no_router_is_refused() {
    let policies = policies().await;
    let refused = |module: &'static str, data: &'static str| {
        let policies = policies.clone();
        async move { policies.admit(&source(module, data)).await.unwrap_err() }
    };
    assert!(matches!(refused("package router\noutput := ", "").await, Refused::Syntax(_)));
    assert!(matches!(refused("", "").await, Refused::Syntax(_)));
    assert!(matches!(refused("package router\nx := 1", "").await, Refused::NoOutput(_)));
    assert!(matches!(refused("package other\noutput := {}", "").await, Refused::Package(_)));
    assert!(matches!(refused("package a.b\noutput := {}", "").await, Refused::Package(_)));
    assert!(matches!(refused("package router\noutput := 1", "").await, Refused::Trial(EvalError::Output(_))));
    let mock =
        "package router\nimport rego.v1\noutput := {\"found\": true} if count([1]) == 1 with count as sum";
    assert!(matches!(refused(mock, "").await, Refused::Construct { .. }));
}

/// `links` functions that call one another, each deep inside calls.
fn chain(links: usize) -> String {
    let (open, close) = ("abs(".repeat(20), ")".repeat(20));
    let links: String = (1..links)
        .map(|link| format!("f{link}(x) := y if {{ y := {open}f{}(x){close} }}\n", link - 1))
        .collect();
    links + "f0(x) := x\n"
}

#[tokio::test]
async fn every_chain_of_calls_that_is_taken_fits_on_every_stack() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    let router = |links: usize| {
        let last = links - 1;
        let output = format!("output := {{\"found\": true, \"repository\": type_name(f{last}(1))}}\n");
        source(&format!("package router\nimport rego.v1\n{output}{}", chain(links)), "")
    };
    for place in PLACES {
        for links in [3, 15, 99] {
            let policy = place.take(&policies, &router(links)).await.unwrap();
            let (decision, _) = decide(&policies, &policy, Input::new("GET", "/"), &registry).await.unwrap();
            assert_eq!(decision, forward("number"), "{place:?} {links}");
        }
        let refused = place.take(&policies, &router(100)).await.unwrap_err();
        assert!(matches!(refused, Refused::TooDeep { .. }), "{place:?} {refused}");
    }
}

#[tokio::test]
async fn a_module_that_takes_for_ever_to_parse_is_refused_in_time() {
    let policies = policies_with(short()).await;
    // The parser tries every bracket twice.
    let module = format!("package router\noutput := {{\"x\": {}1{}}}\n", "[".repeat(30), "]".repeat(30));
    let refused = policies.admit(&source(&module, "")).await.unwrap_err();
    assert!(matches!(refused, Refused::Unchecked(EvalError::Exceeded(_)) | Refused::Syntax(_)), "{refused}");
}

#[tokio::test]
async fn loops_are_stopped() {
    let nested = "count([1 | some a in many; some b in many; a == b + 1])";
    let error = harm(&policies_with(short()).await, &evil_at("/evil", nested)).await;
    assert!(matches!(error, EvalError::Exceeded(_)), "{error}");
}

#[tokio::test]
async fn memory_eaters_die_alone() {
    let policies = policies_with(Tuning {
        evaluation_ms_max: 30_000,
        memory_bytes_max: 96 * 1024 * 1024,
        ..Tuning::default()
    })
    .await;
    // A comprehension is not bounded by any function of ours: only the child's own limit ends this.
    let pairs = "count([[a, b, a, b] | some a in many; some b in many])";
    let error = harm(&policies, &evil_at("/evil", pairs)).await;
    assert!(matches!(error, EvalError::Evaluator(_)), "{error}");
}

#[tokio::test]
async fn functions_that_grow_are_bounded() {
    let policies = policies().await;
    let single = [
        "numbers.range(1, 300000000)",
        "numbers.range_step(1, 9000000000, 2)",
        "sprintf(\"%0900000000d\", [1])",
        "sprintf(\"%.99999f\", [1])",
        "replace(concat(\"\", [\"a\" | some _ in numbers.range(1, 9000)]), \"\", sprintf(\"%900d\", [1]))",
    ];
    for what in single {
        let error = harm(&policies, &evil_at("/evil", what)).await;
        assert!(matches!(error, EvalError::Exceeded(_)), "{what}: {error}");
    }
    let grown = [
        doubling(40, "[1, 2]", "array.concat(LAST, LAST)"),
        doubling(40, "\"ab\"", "concat(\"\", [LAST, LAST])"),
        doubling(40, "\"ab\"", "sprintf(\"%s%s\", [LAST, LAST])"),
        doubling(40, "\"ab\"", "replace(LAST, \"a\", \"aa\")"),
        doubling(40, "\"ab\"", "strings.replace_n({\"a\": \"aa\"}, LAST)"),
        doubling(40, "\"ab\"", "regex.replace(LAST, \"a\", \"$0$0\")"),
    ];
    for module in grown {
        let error = harm(&policies, &module).await;
        assert!(matches!(error, EvalError::Exceeded(_)), "{module}: {error}");
    }
}

#[tokio::test]
async fn the_same_bounds_hold_in_this_process() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    for what in ["numbers.range(1, 300000000)", "sprintf(\"%0900000000d\", [1])"] {
        let policy = policies.trust(&source(&evil_at("/evil", what), "")).unwrap();
        let error = decide(&policies, &policy, Input::new("GET", "/evil"), &registry).await.unwrap_err();
        assert!(matches!(error, EvalError::Exceeded(_)), "{what}: {error}");
    }
}

#[tokio::test]
async fn arguments_that_would_break_a_builtin_are_undefined() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    let odd = [
        "sprintf(\"%½d\", [1])",
        "numbers.range_step(1, 10, 0)",
        "sprintf(\"%d\", 1)",
        "concat(\",\", [1])",
        "bits.lsh(1, 9000000000)",
        "crypto.md5(1)",
    ];
    for what in odd {
        for place in PLACES {
            let module = format!(
                "package router\noutput := {{\"found\": true, \"repository\": x}}\ndefault x := \"none\"\nx := {what}\n"
            );
            let policy = place.take(&policies, &source(&module, "")).await.unwrap();
            let (decision, _) = decide(&policies, &policy, Input::new("GET", "/"), &registry).await.unwrap();
            assert_eq!(decision, forward("none"), "{place:?} {what}");
        }
    }
}

#[tokio::test]
async fn a_policy_that_goes_on_is_quarantined_and_others_are_served() {
    let policies = policies_with(short()).await;
    let registry = Arc::new(Registry::default());
    let nested = "count([1 | some a in many; some b in many; a == b + 1])";
    let evil = policies.admit(&source(&evil_at("/evil", nested), "")).await.unwrap();
    let good = policies.admit(&source(&evil_at("/x", "1"), "")).await.unwrap();
    let attacks: Vec<_> = (0..8)
        .map(|_| {
            let (policies, evil, registry) = (policies.clone(), evil.clone(), registry.clone());
            async move { policies.decide(&evil, Input::new("GET", "/evil"), registry).await }
        })
        .collect();
    let mut running = tokio::task::JoinSet::new();
    attacks.into_iter().for_each(|attack| drop(running.spawn(attack)));
    for number in 0..20 {
        let input = Input::new("GET", format!("/good/{number}"));
        assert_eq!(decide(&policies, &good, input, &registry).await.unwrap().0, forward("fine"));
    }
    let outcomes = running.join_all().await;
    let quarantined = outcomes.iter().filter(|outcome| matches!(outcome, Err(EvalError::Quarantined { .. })));
    assert_eq!(quarantined.count(), 5, "{outcomes:?}");
    let error = decide(&policies, &evil, Input::new("GET", "/good"), &registry).await.unwrap_err();
    assert!(matches!(error, EvalError::Quarantined { .. }));
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_cost_a_child() {
    let policies = policies_with(Tuning { children: 1, ..Tuning::default() }).await;
    let registry = Arc::new(Registry::default());
    let loops = "count([1 | some a in many; some b in many; b < 20; a == b + 1])";
    let policy = policies.admit(&source(&evil_at("/slow", loops), "")).await.unwrap();
    for number in 0..5 {
        let slow = decide(&policies, &policy, Input::new("GET", "/slow"), &registry);
        let gone = tokio::time::timeout(std::time::Duration::from_millis(5), slow).await;
        drop(gone);
        let input = Input::new("GET", format!("/fine/{number}"));
        assert_eq!(decide(&policies, &policy, input, &registry).await.unwrap().0, forward("fine"));
    }
    assert_eq!(policy.quarantined(), None);
}

#[tokio::test]
async fn a_program_that_is_no_evaluator_is_an_error_at_start() {
    for program in ["/nonexistent", "/bin/true"] {
        let config = gossamer_policy::Config {
            program: program.into(),
            arguments: Vec::new(),
            tuning: Tuning::default(),
        };
        assert!(config.start().await.is_err(), "{program}");
    }
}

#[tokio::test]
async fn many_policies_share_the_children() {
    let (policies, registry) = (policies().await, Arc::new(Registry::default()));
    let mut taken = Vec::new();
    for number in 0..70 {
        let module =
            format!("package router\noutput := {{\"found\": true, \"repository\": \"r{number}\"}}\n");
        taken.push(Place::Isolated.take(&policies, &source(&module, "")).await.unwrap());
    }
    for (number, policy) in taken.iter().enumerate() {
        let (decision, _) = decide(&policies, policy, Input::new("GET", "/"), &registry).await.unwrap();
        assert_eq!(decision, forward(&format!("r{number}")));
    }
}

#[tokio::test]
async fn thousands_of_rules_and_deep_nesting_are_refused() {
    let policies = policies_with(short()).await;
    let rules: String = (0..5000).map(|number| format!("rule{number} := {number}\n")).collect();
    let many = format!("package router\noutput := {{\"found\": false}}\n{rules}");
    let refused = policies.admit(&source(&many, "")).await.unwrap_err();
    assert!(matches!(refused, Refused::TooManyRules { .. } | Refused::Unchecked(_)), "{refused}");
    let deep = format!("package router\noutput := {}1{}\n", "{\"a\": ".repeat(5000), "}".repeat(5000));
    let refused = policies.admit(&source(&deep, "")).await.unwrap_err();
    assert!(matches!(refused, Refused::Syntax(_) | Refused::Unchecked(_)), "{refused}");
}

#[tokio::test]
async fn bombs_cost_their_budget_and_nobody_else_any_time() {
    let tuning = Tuning { evaluation_ms_max: 250, ..Tuning::default() };
    let (policies, registry) = (policies_with(tuning).await, Arc::new(Registry::default()));
    let good = policies.admit(&source(&evil_at("/x", "1"), "")).await.unwrap();
    let bombs = [
        "regex.match(\"(((((a{1,90}){1,90}){1,90}){1,90}){1,90})\", \"aaaa\")",
        "count(regex.find_n(\"(a*)*b\", concat(\"\", [\"a\" | some _ in many]), -1))",
        "concat(\"\", [\"0123456789\" | some _ in many])",
    ];
    for bomb in bombs {
        let evil = policies.admit(&source(&evil_at("/evil", bomb), "")).await.unwrap();
        let started = tokio::time::Instant::now();
        let evaluated = decide(&policies, &evil, Input::new("GET", "/evil"), &registry);
        let others = async {
            for number in 0..10 {
                let input = Input::new("GET", format!("/good/{bomb}/{number}"));
                assert_eq!(decide(&policies, &good, input, &registry).await.unwrap().0, forward("fine"));
            }
            started.elapsed()
        };
        let (outcome, others) = tokio::join!(evaluated, others);
        let took = started.elapsed();
        assert!(took.as_secs() < 5, "{bomb}: {took:?} for {outcome:?}");
        assert!(others.as_secs() < 2, "{bomb}: ten other requests took {others:?}");
    }
}
