//! Between cores: the mesh, and wake-ups while the other core parks.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corelog_base::CoreId;

use super::{Counted, Harness, Tally, soon, until};
use crate::mesh::{self, Mesh, MeshEnd};
use crate::{Notify, Runtime};

/// The mesh's ends, one for each core to take.
struct Ends<M>(Mutex<Vec<MeshEnd<M>>>);

impl<M: Send + 'static> Ends<M> {
    fn new(cores: u16, parcels_max: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(mesh::build(cores, parcels_max))))
    }

    fn take(&self, core: CoreId) -> MeshEnd<M> {
        let mut ends = self.0.lock().unwrap();
        let at = ends.iter().position(|e| e.core() == core).unwrap();
        ends.remove(at)
    }
}

pub fn a_narrow_mesh_keeps_order_and_loses_nothing<H: Harness>(harness: &H) {
    const CORES: u16 = 3;
    const MESSAGES: u32 = 20_000;
    let ends = Ends::<u32>::new(CORES, 1);
    let complete = Tally::new();
    harness.run(CORES, move |rt| {
        let (ends, complete) = (ends.clone(), complete.clone());
        async move {
            let next = Rc::new(RefCell::new([0u32; CORES as usize]));
            let arrived = Notify::new();
            let (next2, arrived2) = (next.clone(), arrived.clone());
            let mesh = ends.take(rt.core()).attach(&rt, move |from, parcel| {
                let mut next = next2.borrow_mut();
                let next = &mut next[usize::from(from.0)];
                for message in parcel {
                    // A panic here would end the process; a jump is seen below instead.
                    *next = if message == *next {
                        *next + 1
                    } else {
                        u32::MAX
                    };
                }
                arrived2.notify();
            });
            let me = usize::from(rt.core().0);
            assert_eq!(mesh.cores(), CORES);
            for message in 0..MESSAGES {
                for to in (0..CORES).filter(|to| usize::from(*to) != me) {
                    mesh.post(CoreId(to), message);
                }
                if message % 64 == 0 {
                    rt.yield_now().await;
                }
            }
            soon(&rt, async {
                loop {
                    let seen = *next.borrow();
                    assert!(seen.iter().all(|n| *n <= MESSAGES), "out of order");
                    if (0..usize::from(CORES)).all(|from| from == me || seen[from] == MESSAGES) {
                        return;
                    }
                    arrived.notified().await;
                }
            })
            .await;
            complete.add();
            until(&rt, || complete.count() == usize::from(CORES)).await;
        }
    });
}

pub fn cores_wake_each_other<H: Harness>(harness: &H) {
    const TRIPS: u32 = 2000;
    let ends = Ends::<u32>::new(2, 1);
    let complete = Tally::new();
    harness.run(2, move |rt| {
        let (ends, complete) = (ends.clone(), complete.clone());
        async move {
            let other = CoreId(1 - rt.core().0);
            let (last, arrived) = (Rc::new(RefCell::new(0)), Notify::new());
            let (last2, arrived2) = (last.clone(), arrived.clone());
            let mesh: Mesh<u32> = ends.take(rt.core()).attach(&rt, move |_, parcel| {
                last2.replace(parcel.into_iter().max().unwrap_or(0));
                arrived2.notify();
            });
            if rt.core().0 == 0 {
                mesh.post(other, 1);
            }
            // One ball: while one core has it, the other parks. A lost wake-up ends the game.
            soon(&rt, async {
                loop {
                    arrived.notified().await;
                    let ball = *last.borrow();
                    if ball < TRIPS {
                        mesh.post(other, ball + 1);
                    }
                    if ball + 1 >= TRIPS {
                        return;
                    }
                }
            })
            .await;
            complete.add();
            until(&rt, || complete.count() == 2).await;
        }
    });
}

pub fn messages_to_a_core_that_is_gone_are_dropped<H: Harness>(harness: &H) {
    let ends = Ends::<Counted>::new(2, 1);
    let (posted, dropped) = (Tally::new(), Tally::new());
    let (posted2, dropped2) = (posted.clone(), dropped.clone());
    harness.run(2, move |rt| {
        let end = ends.take(rt.core());
        let (posted, dropped) = (posted2.clone(), dropped2.clone());
        async move {
            if rt.core().0 == 1 {
                // Gone, with its end.
                return;
            }
            let mesh = end.attach(&rt, |_, _| ());
            soon(&rt, async {
                while dropped.count() < 10 {
                    mesh.post(CoreId(1), dropped.guard());
                    posted.add();
                    rt.sleep(Duration::from_micros(100)).await;
                }
            })
            .await;
        }
    });
    assert_eq!(dropped.count(), posted.count());
}
