//! A node's start, in the steps of the real one: placement, scan, open, placement, retire.

use corelog_base::{CoreId, GroupId};
use corelog_log::{Checkpoints, GroupConfig, Log, Options, RestoredGroup};
use corelog_rt::{Runtime, Shared, oneshot};
use corelog_sim::SimRuntime;

use super::model::Model;
use crate::placement::{Failed, find, owner};

pub(crate) type Opened = Result<Vec<Log<SimRuntime>>, Failed>;

/// What a workload's groups and logs are made with.
#[derive(Clone)]
pub(crate) struct Kit {
    pub options: Options,
    pub config: GroupConfig,
    pub checkpoints: fn(Shared<Model>) -> Box<dyn Checkpoints>,
}

/// Brings the node up on so many cores. Runs on core 0; compares what was found with the model,
/// which is of this life once this returns.
pub(crate) async fn boot(rt: SimRuntime, cores: u16, kit: Kit, model: Shared<Model>) -> Opened {
    let (placement, found) = find(&rt, cores).await?;
    assert!(!found.is_incomplete(), "a frame is lost");
    let judged: Vec<_> = model.with(|model| {
        let groups = found.groups().iter();
        groups.filter_map(|found| judge(model, found)).collect()
    });
    let mut opening = Vec::new();
    for (core, share) in (0..).map(CoreId).zip(placement.share_out(found)) {
        let rt = rt.host().runtime(core);
        let (tx, rx) = oneshot();
        let options = kit.options.clone();
        let checkpoints = (kit.checkpoints)(model.clone());
        rt.clone().spawn(async move {
            let log = Log::open(rt, options, share, checkpoints).await;
            // The boot may have failed elsewhere.
            let _ = tx.send(log);
        });
        opening.push(rx);
    }
    let mut logs = Vec::new();
    for log in opening {
        logs.push(log.await.expect("the task of a core lives")?);
    }
    placement.commit(&rt).await?;
    model.with(|model| adopt(model, &judged));
    restore_groups(&logs, &model, &kit.config).await?;
    Ok(logs)
}

type Judged = (GroupId, super::model::Found);

fn judge(model: &Model, found: &RestoredGroup) -> Option<Judged> {
    let id = found.group;
    match model.groups.get(&id) {
        Some(group) => Some((id, group.judge(id, found))),
        None => {
            assert!(model.removed.contains_key(&id), "{id:?} never was");
            None
        }
    }
}

fn adopt(model: &mut Model, judged: &[Judged]) {
    for (id, found) in judged {
        if let Some(group) = model.groups.get_mut(id) {
            group.adopt(found);
        }
    }
    for (id, group) in &mut model.groups {
        if !judged.iter().any(|(found, _)| found == id) {
            assert!(group.may_be_missing(), "{id:?} is gone");
            *group = super::model::GroupModel::new(group.topic, group.partition);
        }
    }
}

/// What metadata knows and the log does not, and the other way round.
async fn restore_groups(
    logs: &[Log<SimRuntime>],
    model: &Shared<Model>,
    config: &GroupConfig,
) -> Result<(), Failed> {
    let cores = logs.len() as u16;
    let log = |group| &logs[usize::from(owner(group, cores).0)];
    let known: Vec<_> = model.with(|model| {
        let groups = model.groups.iter();
        groups
            .map(|(id, group)| (*id, group.topic, group.partition))
            .collect()
    });
    for (id, topic, partition) in known {
        let config = config.clone();
        match log(id).last(id) {
            Some(_) => log(id).configure(id, config),
            None => log(id).create_group(id, topic, partition, config)?,
        }
    }
    let removed = model.with(|model| model.removed.clone());
    for (id, (topic, partition)) in removed {
        log(id).remove_group(id, topic, partition).await?;
        model.with(|model| model.removed.remove(&id));
    }
    Ok(())
}
