//! Program, database and broker die with `kill -9`, at random moments, again and again, while problems come and go before
//! the cameras. In the end: what was opened is what the platform has, each problem once.
//!
//! A few kills by default; `GRIDWATCH_CHAOS=full` (`make chaos`) makes it 200 of the program and 50 of each server.
//! `GRIDWATCH_CHAOS_SEED` repeats a run's moments.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use crate::support::{
    mosquitto::Mosquitto,
    postgres::PostgresServer,
    site::{self, Site},
    subscriber::Subscriber,
    wait_for,
};

const CAMERAS: usize = 6;

/// Two tickets of one camera that are closer than this are of one and the same standing van.
const ONE_STAY: i64 = 8_000;

/// Numbers that look random; the seed tells them all.
struct Moments(u64);

impl Moments {
    fn between(&mut self, from: u64, to: u64) -> Duration {
        // xorshift64*, https://doi.org/10.1145/2845077
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        Duration::from_millis(from + (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % (to - from))
    }
}

#[test]
fn kills_of_all_that_runs_lose_and_double_no_ticket() {
    let full = std::env::var("GRIDWATCH_CHAOS").is_ok_and(|word| word == "full");
    let (program_kills, server_kills) = if full { (200, 50) } else { (10, 4) };
    let seed = std::env::var("GRIDWATCH_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        now.as_nanos() as u64 | 1
    });
    println!("GRIDWATCH_CHAOS_SEED={seed}: {program_kills} kills of the program, {server_kills} of each server");
    let began = Instant::now();

    let clips = tempfile::tempdir().expect("a folder");
    let clip = site::coming_and_going(clips.path());
    let names: Vec<_> = (0..CAMERAS).map(|n| format!("camera-{n}")).collect();
    let cameras = site::serve(&names.iter().map(|name| (name.as_str(), clip.as_path())).collect::<Vec<_>>(), None);
    let database = PostgresServer::start();
    let database_url = database.create_database();
    let mut broker = Mosquitto::start();
    let platform = Subscriber::acknowledging(broker.address);
    let mut site = Site::new(&broker.url());
    std::fs::write(site.path("database-password"), database.password()).expect("a file");
    // The broker forgets what it had when it is killed: the ticket comes again until the platform has acknowledged it.
    site.mqtt("acknowledge_within = \"2s\"\nresend_longest = \"8s\"\n");
    site.rule("dwell = \"2s\"\nclear_after = \"2s\"\nrearm_after = \"1s\"\nmin_looks = 3\n")
        .section(&format!("[database]\nurl = \"{database_url}\"\npassword_file = \"database-password\"\n\n"));
    for name in &names {
        site.camera(name, &format!("main = \"{}\"", cameras.url(name)));
    }

    // The moments of the kills are what is tested, not something that is waited for.
    let mut opened = BTreeSet::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut moments = Moments(seed);
            for _ in 0..server_kills {
                sleep(moments.between(500, 20_000));
                database.kill();
                sleep(moments.between(0, 4_000));
                database.resume();
            }
        });
        scope.spawn(|| {
            let mut moments = Moments(seed.rotate_left(21) | 1);
            for _ in 0..server_kills {
                sleep(moments.between(500, 20_000));
                broker.kill();
                sleep(moments.between(0, 4_000));
                broker.restart();
            }
        });
        let mut moments = Moments(seed.rotate_left(42) | 1);
        for _ in 0..program_kills {
            let mut program = site.start();
            sleep(moments.between(200, 8_000));
            program.kill();
            opened.extend(program.opened());
        }
    });
    let killing_took = began.elapsed();

    // All that runs is left alone until every camera has had its ticket; then nothing new is shown.
    let program = site.start();
    let name = database_url.rsplit('/').next().expect("a name");
    wait_for("a ticket of each camera", Duration::from_secs(300), || {
        let with_tickets = database.run_sql(name, "SELECT COUNT(DISTINCT camera) FROM tickets");
        (with_tickets == CAMERAS.to_string()).then_some(())
    });
    cameras.stop();
    wait_for("the outbox to be empty", Duration::from_secs(600), || {
        let waiting = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL";
        (database.run_sql(name, waiting) == "0").then_some(())
    });
    let rows =
        database.run_sql(name, "SELECT id || ' ' || camera || ' ' || confirmed_at FROM tickets ORDER BY confirmed_at");
    let rows: Vec<Vec<_>> = rows.lines().map(|line| line.split(' ').collect()).collect();
    let written: BTreeSet<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    // What the broker lost when it was killed comes again, since nobody has acknowledged it.
    let received = || -> BTreeSet<String> {
        platform.tickets().iter().map(|t| t["data"]["ticket_id"].as_str().expect("an id").to_owned()).collect()
    };
    wait_for("the platform to have every ticket", Duration::from_secs(600), || (received() == written).then_some(()));
    drop(program);

    println!(
        "{} tickets opened, {} received, {} messages about them, in {killing_took:?} of kills",
        written.len(),
        received().len(),
        platform.tickets().len()
    );
    assert!(opened.is_subset(&written), "told as opened and lost: {:?}", opened.difference(&written));
    let mut before: BTreeMap<&str, i64> = BTreeMap::new();
    for row in &rows {
        let at: i64 = row[2].parse().expect("a time");
        if let Some(last) = before.insert(row[1], at) {
            assert!(at - last > ONE_STAY, "{} has two tickets for one van, {} ms apart", row[1], at - last);
        }
    }
}
