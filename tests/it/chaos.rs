//! Program, database and broker die with `kill -9`, at random moments, again and again, while problems come and go before
//! the cameras and one smoke detector after the other goes off. In the end: what was opened is what the platform has, each
//! problem once.
//!
//! A few kills by default; `GRIDWATCH_CHAOS=full` (`make chaos`) makes it 200 of the program and 50 of each server, before more
//! cameras, and lets the program live for long enough now and then that vans before them become tickets by the hundred.
//! `GRIDWATCH_CHAOS_SEED` repeats a run's moments.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use crate::support::{
    mosquitto::Mosquitto,
    postgres::PostgresServer,
    publisher::Publisher,
    site::{self, Site},
    subscriber::Subscriber,
    wait_for,
};

/// Each so many lives of the program in a full run one lasts for a van or two.
const LONG_LIFE: u32 = 20;

/// How often a smoke detector goes off anew, and how often those that have repeat it.
const GOES_OFF: Duration = Duration::from_secs(1);
const REPEATS: u32 = 5;

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
    let (program_kills, server_kills, detectors) = if full { (200, 50, 1000) } else { (10, 4, 40) };
    let (cameras_there, camera_tickets) = if full { (24, 100) } else { (6, 6) };
    let seed = std::env::var("GRIDWATCH_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        now.as_nanos() as u64 | 1
    });
    println!("GRIDWATCH_CHAOS_SEED={seed}: {program_kills} kills of the program, {server_kills} of each server");
    let began = Instant::now();

    let clips = tempfile::tempdir().expect("a folder");
    let clip = site::coming_and_going(clips.path());
    let names: Vec<_> = (0..cameras_there).map(|n| format!("camera-{n}")).collect();
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
    site.section(&smoke_detectors(detectors));
    for name in &names {
        site.camera(name, &format!("main = \"{}\"", cameras.url(name)));
    }
    let smoke = Publisher::start(broker.address, "smoke-detectors");
    let done = Arc::new(AtomicBool::new(false));

    let alarm = std::thread::spawn({
        let done = Arc::clone(&done);
        move || go_off(&smoke, detectors, &done)
    });

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
        for life in 0..program_kills {
            let mut program = site.start();
            let is_long = full && life % LONG_LIFE == 0;
            sleep(if is_long { moments.between(20_000, 40_000) } else { moments.between(200, 8_000) });
            program.kill();
            opened.extend(program.opened());
        }
    });
    let killing_took = began.elapsed();

    // All that runs is left alone until every camera and every detector has had its ticket; then nothing new is shown.
    let program = site.start();
    let name = database_url.rsplit('/').next().expect("a name");
    let count = |sql: &str| database.run_sql(name, sql).parse::<u32>().expect("a number");
    let seen = "SELECT COUNT(DISTINCT camera) FROM tickets WHERE kind <> 'fire.smoke'";
    wait_for("a ticket of each camera", Duration::from_secs(300), || (count(seen) == cameras_there).then_some(()));
    let of_cameras = "SELECT COUNT(*) FROM tickets WHERE kind <> 'fire.smoke'";
    wait_for("many tickets of cameras", Duration::from_secs(600), || {
        (count(of_cameras) >= camera_tickets).then_some(())
    });
    let sensed = "SELECT COUNT(*) FROM tickets WHERE kind = 'fire.smoke'";
    wait_for("a ticket of each detector", Duration::from_secs(1200), || (count(sensed) >= detectors).then_some(()));
    done.store(true, Ordering::Relaxed);
    alarm.join().expect("detectors that do not panic");
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
        "{} tickets opened, {} of them of cameras, {} received, {} messages about them, in {killing_took:?} of kills",
        written.len(),
        count(of_cameras),
        received().len(),
        platform.tickets().len()
    );
    // Each went off once and has burnt since.
    assert_eq!(count(sensed), detectors, "a detector has two tickets");
    assert!(opened.is_subset(&written), "told as opened and lost: {:?}", opened.difference(&written));
    let mut before: BTreeMap<&str, i64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row[1].starts_with("camera-")) {
        let at: i64 = row[2].parse().expect("a time");
        if let Some(last) = before.insert(row[1], at) {
            assert!(at - last > ONE_STAY, "{} has two tickets for one van, {} ms apart", row[1], at - last);
        }
    }
}

fn smoke_detectors(count: u32) -> String {
    let mut text = String::new();
    for n in 0..count {
        writeln!(
            text,
            "[[sensors.devices]]\nid = \"smoke-{n}\"\nmeasure = \"smoke\"\nplace = {{ grid = \"310104007003012\", address = \"hall {n}\" }}\n"
        )
        .expect("a string takes all");
    }
    text
}

/// One detector after the other goes off and says so again and again. What a broker loses that is killed is said again.
fn go_off(smoke: &Publisher, detectors: u32, done: &AtomicBool) {
    let began = Instant::now();
    let mut round = 0_u32;
    while !done.load(Ordering::Relaxed) {
        let gone_off = detectors.min((began.elapsed().as_millis() / GOES_OFF.as_millis()) as u32);
        for n in (0..gone_off).filter(|n| n % REPEATS == round % REPEATS) {
            smoke.publish(&format!("sensor/v1/310104/310104007/smoke-{n}/smoke"), "true");
        }
        round += 1;
        sleep(Duration::from_secs(1));
    }
}
