//! Runs that the looks of several threads share: on a GPU one run of many pictures costs little more than one of one.
//!
//! Each thread has a seat with a picture of its own. Who comes first into an empty round leads it: it waits until the round is
//! full, for `wait` at most and for as long as the round before still runs, runs the model on what has come by then, and the
//! others take their part of the outputs. A run always has all its places, those of nobody with whatever was in them last:
//! engines that are compiled for one shape are compiled once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use metrics::counter;

use crate::{
    DetectError,
    session::{Outputs, Session, Tensor},
};

/// How a detector runs its model.
pub(crate) enum Runs {
    /// In a session of its own.
    Alone(Session),
    /// Together with others.
    Together(Seat),
}

/// One thread's place in the runs of a [`Batch`].
pub(crate) struct Seat {
    batch: Arc<Batch>,
    picture: Vec<f32>,
}

/// A session whose runs take the pictures of several threads.
pub(crate) struct Batch {
    model: String,
    session: Mutex<Session>,
    /// Most pictures in one run: those that its input has places for.
    places: usize,
    /// Numbers in one picture's tensor.
    numbers: usize,
    /// How long a picture waits for others.
    wait: Duration,
    round: Mutex<Round>,
    turned: Condvar,
}

/// The pictures of the next run, and what came of those before.
struct Round {
    number: u64,
    pictures: Vec<f32>,
    taken: usize,
    /// By round, until everybody has taken theirs.
    outcomes: BTreeMap<u64, Outcome>,
}

#[derive(Clone)]
struct Outcome {
    outputs: Arc<Result<Vec<Output>, String>>,
    unread: usize,
}

/// An output of a run: `each` numbers for each of its places.
struct Output {
    name: String,
    /// Of one place, with the leading 1.
    shape: Vec<i64>,
    each: usize,
    numbers: Numbers,
}

enum Numbers {
    Floats(Vec<f32>),
    Longs(Vec<i64>),
}

impl Runs {
    /// The picture's tensor, to be written before [`Runs::run`].
    pub(crate) fn picture_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Alone(session) => session.picture_mut(),
            Self::Together(seat) => &mut seat.picture,
        }
    }

    /// Runs the model on the picture and gives its outputs to `read`.
    pub(crate) fn run<R>(
        &mut self,
        read: impl FnOnce(&Outputs<'_>) -> Result<R, DetectError>,
    ) -> Result<R, DetectError> {
        match self {
            Self::Alone(session) => session.run(read),
            Self::Together(seat) => {
                let (outputs, place) = seat.batch.run(&seat.picture);
                match &*outputs {
                    Ok(outputs) => read(&Outputs(outputs.iter().map(|output| output.of(place)).collect())),
                    Err(reason) => {
                        Err(DetectError::Inference { model: seat.batch.model.clone(), reason: reason.clone() })
                    }
                }
            }
        }
    }
}

impl Batch {
    /// Shares `session`, whose input has `places` places.
    pub(crate) fn new(model: String, mut session: Session, places: usize, wait: Duration) -> Arc<Self> {
        let all = session.picture_mut().len();
        Arc::new(Self {
            model,
            session: Mutex::new(session),
            places,
            numbers: all / places,
            wait,
            round: Mutex::new(Round { number: 0, pictures: vec![0.0; all], taken: 0, outcomes: BTreeMap::new() }),
            turned: Condvar::new(),
        })
    }

    /// A seat for one more thread.
    pub(crate) fn seat(self: &Arc<Self>) -> Seat {
        Seat { batch: Arc::clone(self), picture: vec![0.0; self.numbers] }
    }

    /// The outputs of the run that `picture` was in, and its place in them.
    fn run(&self, picture: &[f32]) -> (Arc<Result<Vec<Output>, String>>, usize) {
        let is_full = |round: &mut Round| round.taken == self.places;
        let mut round = self.turned.wait_while(self.round(), is_full).unwrap_or_else(PoisonError::into_inner);
        let (number, place) = (round.number, round.taken);
        round.pictures[place * self.numbers..][..self.numbers].copy_from_slice(picture);
        round.taken += 1;
        if place == 0 {
            return (self.lead(round), place);
        }
        if is_full(&mut round) {
            self.turned.notify_all();
        }
        let runs = |round: &mut Round| !round.outcomes.contains_key(&number);
        let mut round = self.turned.wait_while(round, runs).unwrap_or_else(PoisonError::into_inner);
        let outcome = round.outcomes.get_mut(&number).expect("waited for");
        outcome.unread -= 1;
        let outputs = Arc::clone(&outcome.outputs);
        if outcome.unread == 0 {
            round.outcomes.remove(&number);
        }
        (outputs, place)
    }

    /// Runs the round that the caller was the first in.
    fn lead(&self, round: MutexGuard<'_, Round>) -> Arc<Result<Vec<Output>, String>> {
        let until = Instant::now() + self.wait;
        let mut round = round;
        while round.taken < self.places {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            round = self.turned.wait_timeout(round, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(round);
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut round = self.round();
        let (number, taken) = (round.number, round.taken);
        let filled = taken * self.numbers;
        session.picture_mut()[..filled].copy_from_slice(&round.pictures[..filled]);
        (round.number, round.taken) = (number + 1, 0);
        self.turned.notify_all();
        drop(round);
        // Whatever becomes of the run, nobody waits for it for ever.
        let mut done = Done { batch: self, number, unread: taken - 1, outputs: None };
        let outputs = session.run(|outputs| Ok(self.outputs(outputs)));
        drop(session);
        counter!("gridwatch_batch_runs_total").increment(1);
        counter!("gridwatch_batch_pictures_total").increment(taken as u64);
        let outputs = Arc::new(outputs.map_err(|error| error.to_string()).and_then(|outputs| outputs));
        done.outputs = Some(Arc::clone(&outputs));
        outputs
    }

    /// The outputs as they are kept until each of the round has read them.
    fn outputs(&self, outputs: &Outputs<'_>) -> Result<Vec<Output>, String> {
        let keep = |(name, tensor): &(&str, Tensor<'_>)| {
            let (shape, numbers, all) = match tensor {
                Tensor::Floats { shape, data } => (*shape, Numbers::Floats(data.to_vec()), data.len()),
                Tensor::Longs { shape, data } => (*shape, Numbers::Longs(data.to_vec()), data.len()),
            };
            match shape {
                [places, rest @ ..] if usize::try_from(*places) == Ok(self.places) => {
                    let shape = std::iter::once(1).chain(rest.iter().copied()).collect();
                    Ok(Output { name: (*name).to_owned(), shape, each: all / self.places, numbers })
                }
                _ => Err(format!("output \"{name}\" has shape {shape:?} in a run of {} pictures", self.places)),
            }
        };
        outputs.0.iter().map(keep).collect()
    }

    fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    fn of(&self, place: usize) -> (&str, Tensor<'_>) {
        let part = place * self.each..(place + 1) * self.each;
        let shape = self.shape.as_slice();
        let tensor = match &self.numbers {
            Numbers::Floats(data) => Tensor::Floats { shape, data: &data[part] },
            Numbers::Longs(data) => Tensor::Longs { shape, data: &data[part] },
        };
        (&self.name, tensor)
    }
}

/// Tells the others of a round that it is over, however it ended.
struct Done<'a> {
    batch: &'a Batch,
    number: u64,
    unread: usize,
    outputs: Option<Arc<Result<Vec<Output>, String>>>,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        if self.unread > 0 {
            let broke_off = || Arc::new(Err("the run of this round broke off".to_owned()));
            let outputs = self.outputs.take().unwrap_or_else(broke_off);
            let outcome = Outcome { outputs, unread: self.unread };
            self.batch.round().outcomes.insert(self.number, outcome);
            self.batch.turned.notify_all();
        }
    }
}
