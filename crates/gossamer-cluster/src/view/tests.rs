//! Who owns what, in a view.

use gossamer_wire::Generation;

use super::*;

fn member(index: u8, role: Role, leaving: bool) -> Arc<Member> {
    let node = NodeId::from_bytes([index; 16]);
    let record = Record {
        node,
        revision: 1,
        generation: Generation::new(1),
        role,
        version: None,
        service: None,
        announcement: None,
        route_table: None,
        leaving,
    };
    let address = SocketAddr::from(([10, 0, 0, index], 7_946));
    let since = crate::shell::now();
    let record = Some(Arc::new(record));
    Arc::new(Member { node, address, state: State::Alive, record, certified: None, since })
}

fn view(members: Vec<Arc<Member>>) -> View {
    View::new(NodeId::from_bytes([0; 16]), members, Arc::new([]))
}

fn yum() -> Role {
    Role::Plugin("yum".parse().unwrap())
}

#[test]
fn only_those_of_the_role_are_ranked() {
    let view = view(vec![member(0, Role::Core, false), member(1, yum(), false), member(2, yum(), false)]);
    assert_eq!(view.ranked(&yum(), "epel").len(), 2);
    assert_eq!(view.having(&Role::Agent).count(), 0);
    assert_eq!(view.owner(&Role::Agent, "epel"), None);
}

#[test]
fn the_owner_is_the_first_in_rank() {
    let view = view((0..9).map(|index| member(index, yum(), false)).collect());
    for key in ["epel/8", "epel/9", "baseos"] {
        assert_eq!(view.owner(&yum(), key), view.ranked(&yum(), key).first());
    }
}

#[test]
fn those_about_to_leave_come_last() {
    for leaving in 0..5 {
        let view = view((0..5).map(|index| member(index, yum(), index == leaving)).collect());
        let ranked = view.ranked(&yum(), "epel/9");
        assert_eq!(ranked.last().unwrap().node, NodeId::from_bytes([leaving; 16]));
    }
}

#[test]
fn members_are_found_by_id() {
    let view = view((0..5).map(|index| member(index, yum(), false)).collect());
    assert_eq!(view.get(NodeId::from_bytes([3; 16])).unwrap().address.to_string(), "10.0.0.3:7946");
    assert_eq!(view.get(NodeId::from_bytes([9; 16])), None);
    assert_eq!(view.others().count(), 4);
}
