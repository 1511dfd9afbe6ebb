//! How long to wait between tries.

use std::time::Duration;

use crate::Random;

/// Pauses that double up to a bound. Each is drawn between its half and itself, so that those who
/// failed together do not come back together.
#[derive(Clone, Debug)]
pub struct Pauses {
    next: Duration,
    max: Duration,
    random: Random,
}

impl Pauses {
    pub fn new(first: Duration, max: Duration, seed: u64) -> Self {
        Self {
            next: first.min(max),
            max,
            random: Random::new(seed),
        }
    }

    /// The next pause.
    pub fn draw(&mut self) -> Duration {
        let half = self.next / 2;
        let more = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        let pause = half + Duration::from_micros(self.random.below(more));
        self.next = (self.next * 2).min(self.max);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound() {
        let ms = Duration::from_millis;
        let mut pauses = Pauses::new(ms(10), ms(50), 7);
        for whole in [10, 20, 40, 50, 50] {
            let pause = pauses.draw();
            assert!(
                pause >= ms(whole) / 2 && pause <= ms(whole),
                "{pause:?} {whole}"
            );
        }
    }
}
