//! A walk over the syntax tree of a rule that reports what the checks look at.

use regorus::unstable::{AssignOp, Expr, Literal, Query, Rule, RuleAssign, RuleBody, RuleHead};

use super::variable;

/// What the walk meets.
pub(super) enum Seen<'a> {
    /// A variable or a reference, as long as it gets. Its brackets are walked as well.
    Reference(Chain<'a>),
    /// What is called.
    Call(Chain<'a>),
    /// What a `with` replaces.
    With(Chain<'a>),
    /// A text that is written out.
    Text(&'a str),
    /// A name that the rule itself introduces.
    Local(&'a str),
}

/// `root.field[index]…`, taken apart.
pub(super) struct Chain<'a> {
    whole: &'a Expr,
    root: &'a Expr,
    steps: Vec<Step<'a>>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Index(&'a Expr),
}

type See<'s, 'a> = &'s mut dyn FnMut(Seen<'a>);

// === impl Chain ===

/// Takes a reference apart. References may be long, so this does not recurse.
pub(super) fn chain(expr: &Expr) -> Chain<'_> {
    let (mut root, mut steps) = (expr, Vec::new());
    loop {
        if let Expr::RefDot { refr, field, .. } = root {
            steps.push(Step::Field(field.0.text()));
            root = refr.as_ref();
        } else if let Expr::RefBrack { refr, index, .. } = root {
            steps.push(Step::Index(index.as_ref()));
            root = refr.as_ref();
        } else {
            break;
        }
    }
    steps.reverse();
    Chain { whole: expr, root, steps }
}

impl<'a> Chain<'a> {
    pub(super) fn root_name(&self) -> Option<&'a str> {
        variable(self.root)
    }

    pub(super) fn line(&self) -> u32 {
        self.root.span().line
    }

    pub(super) fn text(&self) -> &'a str {
        self.whole.span().text()
    }

    /// The steps up to the first one that is computed.
    pub(super) fn literal_steps(&self) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        self.steps.iter().map_while(|step| step.literal())
    }

    /// Whether every step is written out.
    pub(super) fn is_literal(&self) -> bool {
        self.steps.iter().all(|step| step.literal().is_some())
    }

    /// `a.b.c`, if it is nothing but names and dots.
    pub(super) fn dotted(&self) -> Option<String> {
        let mut path = self.root_name()?.to_owned();
        for step in &self.steps {
            match step {
                Step::Field(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                Step::Index(_) => return None,
            }
        }
        Some(path)
    }

    fn indexes(&self) -> impl Iterator<Item = &'a Expr> + use<'a, '_> {
        self.steps.iter().filter_map(|step| match step {
            Step::Field(_) => None,
            Step::Index(index) => Some(*index),
        })
    }
}

impl<'a> Step<'a> {
    fn literal(self) -> Option<&'a str> {
        match self {
            Self::Field(name) => Some(name),
            Self::Index(Expr::String { value, .. } | Expr::RawString { value, .. }) => {
                value.as_string().ok().map(AsRef::as_ref)
            }
            Self::Index(_) => None,
        }
    }
}

// === rules ===

/// The reference in the head of a rule: its name.
pub(super) fn head(rule: &Rule) -> Chain<'_> {
    match rule {
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. } => {
                chain(refr)
            }
        },
        Rule::Default { refr, .. } => chain(refr),
    }
}

/// The dotted name of a rule that is not a function and has a name without brackets.
pub(super) fn value_rule(rule: &Rule) -> Option<String> {
    match rule {
        Rule::Spec { head: RuleHead::Func { .. }, .. } => None,
        Rule::Spec { head: RuleHead::Compr { .. } | RuleHead::Set { .. }, .. } => head(rule).dotted(),
        Rule::Default { args, .. } if !args.is_empty() => None,
        Rule::Default { .. } => head(rule).dotted(),
    }
}

/// Reports everything in `rule`, its head included.
pub(super) fn visit<'a>(rule: &'a Rule, see: See<'_, 'a>) {
    for index in head(rule).indexes() {
        expression(index, see);
    }
    match rule {
        Rule::Spec { head, bodies, .. } => {
            match head {
                RuleHead::Compr { assign, .. } => assignment(assign.as_ref(), see),
                RuleHead::Set { key, .. } => key.iter().for_each(|key| expression(key, see)),
                RuleHead::Func { args, assign, .. } => {
                    args.iter().for_each(|arg| pattern(arg, see));
                    assignment(assign.as_ref(), see);
                }
            }
            for RuleBody { assign, query, .. } in bodies {
                assignment(assign.as_ref(), see);
                statements(query, see);
            }
        }
        Rule::Default { args, value, .. } => {
            args.iter().for_each(|arg| pattern(arg, see));
            expression(value, see);
        }
    }
}

fn assignment<'a>(assign: Option<&'a RuleAssign>, see: See<'_, 'a>) {
    if let Some(RuleAssign { value, .. }) = assign {
        expression(value, see);
    }
}

fn statements<'a>(query: &'a Query, see: See<'_, 'a>) {
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => vars.iter().for_each(|var| see(Seen::Local(var.text()))),
            Literal::SomeIn { key, value, collection, .. } => {
                key.iter().for_each(|key| pattern(key, see));
                pattern(value, see);
                expression(collection, see);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => expression(expr, see),
            Literal::Every { key, value, domain, query, .. } => {
                key.iter().chain([value]).for_each(|var| see(Seen::Local(var.text())));
                expression(domain, see);
                statements(query, see);
            }
        }
        for modifier in &statement.with_mods {
            see(Seen::With(chain(&modifier.refr)));
            expression(&modifier.refr, see);
            expression(&modifier.r#as, see);
        }
    }
}

/// A pattern introduces its variables; whatever else is in it is an expression.
fn pattern<'a>(expr: &'a Expr, see: See<'_, 'a>) {
    introduce(expr, see);
    expression(expr, see);
}

fn introduce<'a>(expr: &'a Expr, see: See<'_, 'a>) {
    if let Some(name) = variable(expr) {
        see(Seen::Local(name));
    } else if let Expr::Array { items, .. } = expr {
        items.iter().for_each(|item| introduce(item, see));
    } else if let Expr::Object { fields, .. } = expr {
        fields.iter().for_each(|(_, _, value)| introduce(value, see));
    }
}

/// Expressions nest at most 32 deep: the parser sees to that.
fn expression<'a>(expr: &'a Expr, see: See<'_, 'a>) {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().iter().for_each(|text| see(Seen::Text(text)));
        }
        Expr::Number { .. } | Expr::Bool { .. } | Expr::Null { .. } => {}
        Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => reference(expr, see),
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().for_each(|item| expression(item, see));
        }
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, key, value)| {
            expression(key, see);
            expression(value, see);
        }),
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
            expression(term, see);
            statements(query, see);
        }
        Expr::ObjectCompr { key, value, query, .. } => {
            expression(key, see);
            expression(value, see);
            statements(query, see);
        }
        Expr::Call { fcn, params, .. } => {
            let target = chain(fcn);
            target.indexes().for_each(|index| expression(index, see));
            see(Seen::Call(target));
            params.iter().for_each(|param| expression(param, see));
        }
        Expr::UnaryExpr { expr, .. } => expression(expr, see),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. } => {
            expression(lhs, see);
            expression(rhs, see);
        }
        Expr::AssignExpr { op, lhs, rhs, .. } => {
            if *op == AssignOp::ColEq {
                introduce(lhs, see);
            }
            expression(lhs, see);
            expression(rhs, see);
        }
        Expr::Membership { key, value, collection, .. } => {
            key.iter().for_each(|key| expression(key, see));
            expression(value, see);
            expression(collection, see);
        }
    }
}

fn reference<'a>(expr: &'a Expr, see: See<'_, 'a>) {
    let chain = chain(expr);
    chain.indexes().for_each(|index| expression(index, see));
    if chain.root_name().is_none() {
        expression(chain.root, see);
    }
    see(Seen::Reference(chain));
}
