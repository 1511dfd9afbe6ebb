//! Changes of the metadata at the controller: plan, propose, answer when committed and applied.

use corelog_base::{PartitionIndex, TopicId};
use corelog_cluster::{
    Error as PlanError, Image, Record, TopicSpec, plan_add_partitions, plan_bootstrap,
    plan_configs, plan_create_topic, plan_delete_topic, plan_producer_ids, plan_register_node,
};
use corelog_rt::Runtime;

use super::Shard;
use crate::admin::{AdminReply, AdminRequest, CreatedTopic};
use crate::effects::Effects;
use crate::message::{Reply, ReplyTo};
use crate::{Error, Result};

/// What is planned for one request: its records, and the answer once they are committed.
struct Planned {
    records: Vec<Record>,
    answer: AdminReply,
}

impl<R: Runtime> Shard<R> {
    pub(super) fn admin(&mut self, to: ReplyTo, request: AdminRequest, fx: &mut Effects) {
        let ready = self.controller.as_ref().is_some_and(|c| c.leads && c.ready);
        if !ready {
            let error = self.not_controller();
            return fx.reply(to, Reply::Admin(Err(error)));
        }
        let Planned { records, answer } = self.plan(request);
        if records.is_empty() {
            return fx.reply(to, Reply::Admin(Ok(answer)));
        }
        self.propose_metadata(&records, fx);
        if let Some(controller) = &mut self.controller {
            let until = controller.next_offset;
            controller.proposed.push_back((until, to, answer));
        }
    }

    fn plan(&mut self, request: AdminRequest) -> Planned {
        match request {
            AdminRequest::CreateTopics {
                topics,
                validate_only,
            } => {
                let mut planner = self.planner(validate_only);
                let created = topics.iter().map(|spec| {
                    let id = planner.fresh_topic_id();
                    planner.create(spec, id)
                });
                let created = created.collect();
                planner.finish(AdminReply::Created(created))
            }
            AdminRequest::DeleteTopics(ids) => {
                let mut planner = self.planner(false);
                let done = ids
                    .iter()
                    .map(|id| planner.take(|i| plan_delete_topic(i, *id)));
                let done = done.collect();
                planner.finish(AdminReply::Done(done))
            }
            AdminRequest::AddPartitions {
                topics,
                validate_only,
            } => {
                let mut planner = self.planner(validate_only);
                let done = topics
                    .iter()
                    .map(|t| planner.take(|i| plan_add_partitions(i, t)));
                let done = done.collect();
                planner.finish(AdminReply::Done(done))
            }
            AdminRequest::AlterConfigs {
                resources,
                replace,
                validate_only,
            } => {
                let mut planner = self.planner(validate_only);
                let done = resources
                    .iter()
                    .map(|(r, changes)| planner.take(|i| plan_configs(i, r, changes, replace)));
                let done = done.collect();
                planner.finish(AdminReply::Done(done))
            }
            AdminRequest::RegisterNode { cluster, node } => {
                let mut planner = self.planner(false);
                let first = planner.take(|i| Ok(plan_bootstrap(i, cluster)));
                let done = first.and_then(|()| planner.take(|i| plan_register_node(i, &node)));
                planner.finish(AdminReply::Done(vec![done]))
            }
            AdminRequest::ReserveProducerIds => {
                let mut planner = self.planner(false);
                let (block, records) = plan_producer_ids(&planner.image);
                planner.add(records);
                planner.finish(AdminReply::ProducerIds(block))
            }
        }
    }

    fn planner(&mut self, validate_only: bool) -> Planner<'_, R> {
        let controller = self.controller.as_mut().expect("asked only where it is");
        let planned = &mut controller.planned;
        let (image, into) = match validate_only {
            true => (planned.clone(), None),
            false => (std::mem::take(planned), Some(planned)),
        };
        Planner {
            rt: &self.rt,
            image,
            into,
            records: Vec::new(),
        }
    }
}

/// Plans the parts of one request, each against what those before it make.
struct Planner<'a, R: Runtime> {
    rt: &'a R,
    image: Image,
    /// Where the image goes back to, with the plan in it; None only validates a copy.
    into: Option<&'a mut Image>,
    records: Vec<Record>,
}

impl<R: Runtime> Planner<'_, R> {
    /// Random, not yet in use, and not one of those with a meaning (the first bytes are zero).
    fn fresh_topic_id(&self) -> TopicId {
        loop {
            let mut id = [0u8; 16];
            id[..8].copy_from_slice(&self.rt.random().to_be_bytes());
            id[8..].copy_from_slice(&self.rt.random().to_be_bytes());
            // The version and variant of a random UUID (RFC 9562).
            id[6] = id[6] & 0x0f | 0x40;
            id[8] = id[8] & 0x3f | 0x80;
            let id = TopicId(id);
            // Clients print ids in base64, and tools take a leading '-' for an option.
            if id.0[0] >> 2 != 62 && self.image.topic(id).is_none() {
                return id;
            }
        }
    }

    fn add(&mut self, records: Vec<Record>) {
        for record in &records {
            // Nobody brings up groups for a plan: only what is committed counts.
            let _ = self.image.apply(record);
        }
        self.records.extend(records);
    }

    fn take(
        &mut self,
        plan: impl FnOnce(&Image) -> std::result::Result<Vec<Record>, PlanError>,
    ) -> Result<()> {
        let records = plan(&self.image).map_err(Error::Cluster)?;
        self.add(records);
        Ok(())
    }

    fn create(&mut self, spec: &TopicSpec, id: TopicId) -> Result<CreatedTopic> {
        self.take(|image| plan_create_topic(image, spec, id))?;
        let topic = self.image.topic(id).expect("it was just planned");
        let partitions = i32::try_from(topic.partition_count()).expect("bounded by the plan");
        Ok(CreatedTopic {
            id: if self.into.is_some() {
                id
            } else {
                TopicId::ZERO
            },
            partitions: PartitionIndex(partitions),
            replication: i16::try_from(topic.replication()).expect("bounded by the plan"),
            configs: topic.configs().clone(),
        })
    }

    fn finish(self, answer: AdminReply) -> Planned {
        match self.into {
            Some(planned) => {
                *planned = self.image;
                Planned {
                    records: self.records,
                    answer,
                }
            }
            None => Planned {
                records: Vec::new(),
                answer,
            },
        }
    }
}
