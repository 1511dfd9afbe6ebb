//! The conductor: tells the cores what to do and in which order, from the housekeeping thread.

use std::path::Path;
use std::sync::Arc;

use corelog_base::{CoreId, GroupId};
use corelog_log::{JournalId, Scan};
use corelog_rt::{CorePlan, Cores, Heartbeats, Runtime, RuntimeKind};

use crate::cores::{Figures, Order, Plan, Report, Scanned, Seat};
use crate::placement::{Placement, journals};

/// Parcels that wait in one lane of the mesh; each is all that had gathered meanwhile.
const LANE_PARCELS_MAX: usize = 64;
/// Orders and reports under way; a core has one of each, and figures once a second.
const CHANNEL_MAX: usize = 64;

/// The cores of a node that has been started.
pub(crate) struct Conductor {
    cores: Option<Cores>,
    seats: Vec<flume::Sender<Order>>,
    reports: flume::Receiver<Report>,
    plan: Arc<Plan>,
    /// The latest of each core; None before its first second of service.
    figures: Vec<Option<Figures>>,
}

impl Conductor {
    /// Starts the threads; they wait for orders.
    ///
    /// # Errors
    /// What the runtime says of its kernel interfaces.
    pub(crate) fn start(
        plan: Plan,
        runtime: RuntimeKind,
        cpus: &[Option<usize>],
        options: corelog_rt::Options,
    ) -> Result<Self, String> {
        let plan = Arc::new(plan);
        assert_eq!(cpus.len(), usize::from(plan.node.cores));
        let (report, reports) = flume::bounded(CHANNEL_MAX * cpus.len());
        let mut seats = Vec::new();
        let mut ends = Vec::new();
        for _ in cpus {
            let (order, orders) = flume::bounded(CHANNEL_MAX);
            seats.push(order);
            ends.push(Seat {
                orders,
                reports: report.clone(),
            });
        }
        let plans = (0u16..).zip(cpus).map(|(core, cpu)| CorePlan {
            core: CoreId(core),
            cpu: *cpu,
        });
        let plans: Vec<CorePlan> = plans.collect();
        let shared = Arc::clone(&plan);
        let started = corelog_rt::any::start(runtime, plans, options, move |rt| {
            let seat = ends[usize::from(rt.core().0)].clone();
            crate::cores::run(rt, Arc::clone(&shared), seat)
        });
        let cores = started.map_err(|e| format!("start the cores: {e}"))?;
        Ok(Self {
            figures: cpus.iter().map(|_| None).collect(),
            cores: Some(cores),
            seats,
            reports,
            plan,
        })
    }

    pub(crate) fn heartbeats(&self) -> Heartbeats {
        let cores = self.cores.as_ref().expect("taken only at the end");
        cores.heartbeats()
    }

    /// Brings every core from nothing to service.
    ///
    /// # Errors
    /// What failed, and where.
    pub(crate) async fn boot(&mut self) -> Result<(), String> {
        let dir = self.plan.dir.clone();
        let before = load(&dir)?;
        let placement = Placement::for_cores(before.as_ref(), self.plan.node.cores);
        let scan = match &before {
            Some(before) => self.scan(before.journals.clone()).await?,
            None => self.scan_first(&dir).await?,
        };
        self.open(scan, &placement, before.is_some()).await?;
        let commit = || {
            let committed = placement.commit(&dir);
            committed.map_err(|e| format!("write {}: {e}", dir.join("placement").display()))
        };
        if let Some(before) = &before {
            if *before == placement {
                let sure = Placement::make_sure(&dir);
                sure.map_err(|e| format!("flush {}: {e}", dir.display()))?;
            } else {
                commit()?;
            }
            self.retire(&placement).await?;
        }
        self.all(|| Order::Start).await?;
        if before.is_none() {
            // Only now is the metadata on disk: where there is a placement, there is metadata.
            commit()?;
            self.retire(&placement).await?;
        }
        self.all(|| Order::Serve).await
    }

    /// Removes the journals that the placement does not name.
    async fn retire(&mut self, placement: &Placement) -> Result<(), String> {
        let keep = placement.journals.clone();
        self.order(0, Order::Retire { keep })?;
        self.gather(1).await
    }

    /// The same order to every core, and all their answers.
    async fn all(&mut self, order: fn() -> Order) -> Result<(), String> {
        for core in 0..self.seats.len() {
            self.order(core, order())?;
        }
        self.gather(self.seats.len()).await
    }

    /// Told while it boots, too.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }

    async fn scan(&mut self, journals: Vec<JournalId>) -> Result<Scan, String> {
        self.order(0, Order::Scan { journals })?;
        match self.next().await? {
            Report::Scanned(scan) => Ok(*scan),
            _ => Err("core 0 answered a scan with something else".into()),
        }
    }

    /// Without a placement there may be journals of a first start that was killed, and no more.
    async fn scan_first(&mut self, dir: &Path) -> Result<Scan, String> {
        let left = journals(dir).map_err(|e| format!("list {}/journal: {e}", dir.display()))?;
        if !left.is_empty() {
            let found = self.scan(left).await?;
            if found.groups().iter().any(|g| g.group != GroupId::METADATA) {
                return Err(format!(
                    "{}/placement is gone, and the journals hold partitions: restore it from a \
                     copy of the data directory",
                    dir.display()
                ));
            }
        }
        self.scan(Vec::new()).await
    }

    async fn open(
        &mut self,
        scan: Scan,
        placement: &Placement,
        is_known: bool,
    ) -> Result<(), String> {
        let cores = self.plan.node.cores;
        let scanned = Scanned {
            incomplete: scan.is_incomplete(),
            is_known,
        };
        let shares = scan.share_out(&placement.journals, placement.epoch, |group| {
            corelog_cluster::core_of(group.group, cores)
        });
        let lanes = corelog_broker::lanes(cores, LANE_PARCELS_MAX);
        for ((core, share), lanes) in shares.into_iter().enumerate().zip(lanes) {
            self.order(
                core,
                Order::Open {
                    share,
                    scanned,
                    lanes,
                },
            )?;
        }
        self.gather(self.seats.len()).await
    }

    /// Drains every core: accepts no more, answers what is in flight, flushes and closes.
    ///
    /// # Errors
    /// What failed. What was acknowledged is safe all the same.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        for core in 0..self.seats.len() {
            self.order(core, Order::Stop)?;
        }
        self.gather(self.seats.len()).await?;
        if let Some(cores) = self.cores.take() {
            cores.join();
        }
        Ok(())
    }

    /// Waits for the next report that is news: figures are kept for [`Conductor::figures`].
    /// Cancel-safe. While the cores serve, it returns only if one has failed.
    pub(crate) async fn next(&mut self) -> Result<Report, String> {
        loop {
            match self.reports.recv_async().await {
                Ok(Report::Figures(core, figures)) => {
                    if let Some(slot) = self.figures.get_mut(usize::from(core.0)) {
                        *slot = Some(*figures);
                    }
                }
                Ok(Report::Failed(why)) => return Err(why),
                Ok(report) => return Ok(report),
                Err(_) => return Err("every core has ended".into()),
            }
        }
    }

    pub(crate) fn figures(&self) -> &[Option<Figures>] {
        &self.figures
    }

    async fn gather(&mut self, count: usize) -> Result<(), String> {
        for _ in 0..count {
            self.next().await?;
        }
        Ok(())
    }

    fn order(&self, core: usize, order: Order) -> Result<(), String> {
        let sent = self.seats[core].send(order);
        sent.map_err(|_| format!("core {core} has ended"))
    }
}

fn load(dir: &Path) -> Result<Option<Placement>, String> {
    let path = dir.join("placement");
    Placement::load(dir).map_err(|e| {
        format!(
            "read {}: {e}. It names the journals: restore it from a copy of the data directory",
            path.display()
        )
    })
}
