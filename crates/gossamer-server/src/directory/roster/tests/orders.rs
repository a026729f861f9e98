//! Whatever happens in whatever order, cores that see the same mesh route alike: whole lives of a mesh, by seed.
//!
//! Nodes join, leave and bring other versions. Each core hears of some of it, late and in lumps; its pulls and its
//! judgements come back in any order or fail at first; cores start late, and some start again with what their disk
//! remembers. Their clocks differ by minutes. Where their tables differ, they tell each other what they remember.

use gossamer_policy::{Mount, RouteTable};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use super::super::super::snapshot::route;
use super::*;

/// Lives of a mesh in one run of the test, and how many threads share them.
const LIVES: u64 = 10_000;
const THREADS: u64 = 2;

const CORES: usize = 3;
const NODES: u8 = 6;
const CHANGES: usize = 10;

/// Rounds in which every core asks every other one that differs. Two pass a memory from any to all.
const ROUNDS: usize = 4;

/// Announcements by their digest: what a pull is answered from.
type World = BTreeMap<Digest, Announcement>;

/// One core: its roster, and what it has been asked to do and not done yet.
struct Core {
    roster: Roster<String>,
    todo: Vec<Output>,
    now: Instant,
}

/// One life of a mesh.
struct Life {
    rng: SmallRng,
    world: World,
    /// What each node announces now, by its index.
    live: BTreeMap<u8, Announcement>,
    cores: Vec<Core>,
    begin: Instant,
}

// === impl Core ===

impl Core {
    /// Starts, with what the disk remembers.
    fn start(begin: Instant, since: Since, kept: Vec<Kept>) -> Self {
        let roster = Roster::new(BTreeMap::new(), Clock { at: begin, since });
        let mut core = Self { roster, todo: Vec::new(), now: begin };
        core.take(Input::Offered(kept));
        core
    }

    fn take(&mut self, input: Input<String>) {
        let outputs = self.roster.handle(input, self.now);
        self.todo.extend(outputs.into_iter().filter(|output| *output != Output::Changed));
    }

    fn hear(&mut self, live: &BTreeMap<u8, Announcement>) {
        self.take(Input::Hints(live.values().map(hint).collect()));
    }

    /// Does one of the things that are to be done, perhaps in vain.
    fn work(&mut self, world: &World, rng: &mut SmallRng, failures: f64) {
        if self.todo.is_empty() {
            return;
        }
        let input = match self.todo.swap_remove(rng.random_range(0..self.todo.len())) {
            Output::Pull(hint) if rng.random_bool(failures) => {
                Input::Pulled(hint, Err(PullFailure::Unanswered("lost".to_owned())))
            }
            Output::Pull(hint) => {
                let announcement = world[&hint.announcement].clone();
                Input::Pulled(hint, Ok(Arc::new(announcement)))
            }
            Output::Judge(digest, policy) if policy.module == "bad" => {
                Input::Judged(digest, Err("it is bad".to_owned()))
            }
            Output::Judge(digest, policy) => Input::Judged(digest, Ok(policy.module)),
            Output::Changed => return,
        };
        self.take(input);
    }

    /// Does all that there is to do, waiting where it must.
    fn settle(&mut self, world: &World, rng: &mut SmallRng) {
        loop {
            while !self.todo.is_empty() {
                self.work(world, rng, 0.0);
            }
            let Some(deadline) = self.roster.deadline() else { return };
            self.now = self.now.max(deadline);
            self.take(Input::Tick);
        }
    }

    fn kept(&self) -> Vec<Kept> {
        self.roster.last_good().collect()
    }

    fn table(&self) -> RouteTable {
        let plugins = self.roster.plugins();
        let routes = plugins.values().flat_map(|plugin| &plugin.candidates).map(route);
        RouteTable::build(routes, std::iter::empty::<Mount>(), &BTreeMap::new())
    }
}

// === impl Life ===

impl Life {
    fn begin(seed: u64, begin: Instant) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut start = |()| Core::start(begin, Self::clock(&mut rng), Vec::new());
        let cores = (0..CORES).map(|_| start(())).collect();
        Self { rng, world: World::new(), live: BTreeMap::new(), cores, begin }
    }

    /// A time of day that is wrong by up to ten minutes.
    fn clock(rng: &mut SmallRng) -> Since {
        Since::from_millis(rng.random_range(0..600_000))
    }

    /// A node joins, leaves, or starts again with another version or policy.
    fn change(&mut self) {
        let node = self.rng.random_range(1..=NODES);
        if self.live.contains_key(&node) && self.rng.random_bool(0.4) {
            self.live.remove(&node);
            return;
        }
        let pick = |rng: &mut SmallRng, words: &[&'static str]| *words.choose(rng).unwrap();
        let rng = &mut self.rng;
        let mut announcement = announce(node, pick(rng, &["1.0.0", "1.1.0", "2.0.0"]), "");
        announcement.plugin = ["yum", "static", "pypi"][usize::from(node) % 3].parse().unwrap();
        announcement.generation = Generation::new(rng.random_range(1..4));
        announcement.policy.module = pick(rng, &["good", "better", "bad"]).to_owned();
        announcement.media_types = vec![pick(rng, &["a/one", "a/two"]).parse().unwrap()];
        self.world.insert(announcement.digest(), announcement.clone());
        self.live.insert(node, announcement);
    }

    /// What a core may be at meanwhile.
    fn happen(&mut self) {
        let index = self.rng.random_range(0..CORES);
        match self.rng.random_range(0..10) {
            0..4 => self.cores[index].hear(&self.live),
            4..8 => self.cores[index].work(&self.world, &mut self.rng, 0.2),
            8 => {
                let kept = self.cores[self.rng.random_range(0..CORES)].kept();
                self.cores[index].take(Input::Offered(kept));
            }
            _ => {
                let kept = self.cores[index].kept();
                self.cores[index] = Core::start(self.begin, Self::clock(&mut self.rng), kept);
            }
        }
        let pause = Duration::from_millis(self.rng.random_range(0..500));
        self.cores[index].now += pause;
    }

    /// Everybody sees what there is, and whoever differs is asked.
    fn agree(&mut self) -> Vec<Digest> {
        for core in &mut self.cores {
            core.hear(&self.live);
            core.settle(&self.world, &mut self.rng);
        }
        for _ in 0..ROUNDS {
            let tables: Vec<Digest> = self.cores.iter().map(|core| core.table().digest()).collect();
            let mut pairs: Vec<_> =
                (0..CORES).flat_map(|one| (0..CORES).map(move |other| (one, other))).collect();
            pairs.retain(|(one, other)| tables[*one] != tables[*other]);
            pairs.shuffle(&mut self.rng);
            for (one, other) in pairs {
                let kept = self.cores[other].kept();
                self.cores[one].take(Input::Offered(kept));
                self.cores[one].settle(&self.world, &mut self.rng);
            }
        }
        self.cores.iter().map(|core| core.table().digest()).collect()
    }
}

/// Runs one life to its end; says what is wrong with that.
fn live(seed: u64, begin: Instant) -> Result<(), String> {
    let mut life = Life::begin(seed, begin);
    for _ in 0..CHANGES {
        life.change();
        for _ in 0..life.rng.random_range(0..8) {
            life.happen();
        }
    }
    if life.rng.random_bool(0.3) {
        life.live.clear(); // nobody is left to say how to route
    }
    let tables = life.agree();
    if tables.iter().any(|table| *table != tables[0]) {
        return Err(format!("seed {seed}: the cores differ"));
    }
    // A core that only ever saw the end routes the plugins that are here in the same way.
    let mut stranger = Core::start(begin, Since::default(), Vec::new());
    stranger.hear(&life.live);
    stranger.settle(&life.world, &mut life.rng);
    let (expected, found) = (stranger.table(), life.cores[0].table());
    let is_same = expected.routes().all(|route| found.plugin(&route.plugin) == Some(route));
    if is_same { Ok(()) } else { Err(format!("seed {seed}: {expected:?} but {found:?}")) }
}

#[test]
fn ten_thousand_orders_of_joining_leaving_and_upgrading_end_in_one_table() {
    let begin = start();
    std::thread::scope(|scope| {
        let share = |thread| {
            move || {
                (0..LIVES).filter(|seed| seed % THREADS == thread).find_map(|seed| live(seed, begin).err())
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(share(thread))).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), None);
        }
    });
}
