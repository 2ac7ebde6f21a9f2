//! A list that workers pop with LMOVE into a list of their own: `redis-list` with
//! `processing: "{queue}:processing:{worker}"`. The log is a stream, whose ids are the server's clock.

use redis::{
    AsyncCommands as _, Client, Cmd,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::store::{Event, Job, StoreError, What};

/// Seconds that a patient worker waits for a job: the longest that SIGTERM goes unseen.
const BLOCK: f64 = 0.5;

/// Entry of the log: its id, names and values.
type Line = (String, Vec<String>);

pub(crate) struct RedisStore {
    connection: ConnectionManager,
    queue: String,
    log: String,
}

impl RedisStore {
    pub(super) async fn connect(url: &str, queue: &str) -> Result<Self, StoreError> {
        // BLMOVE may take as long as it was told to, and a frozen server is waited for.
        let config = ConnectionManagerConfig::new().set_response_timeout(None).set_number_of_retries(0);
        let connection = Client::open(url)?.get_connection_manager_with_config(config).await?;
        Ok(Self { connection, queue: queue.to_owned(), log: format!("{queue}:log") })
    }

    pub(super) async fn submit(&self, jobs: &[Job]) -> Result<(), StoreError> {
        let mut pipe = redis::pipe();
        pipe.atomic();
        for job in jobs {
            pipe.lpush(&self.queue, job.to_text()).ignore();
            pipe.add_command(self.line(job, What::Submitted, "")).ignore();
        }
        Ok(pipe.query_async(&mut self.connection.clone()).await?)
    }

    pub(super) async fn take(&self, worker: &str, patient: bool) -> Result<Option<Job>, StoreError> {
        let mut connection = self.connection.clone();
        // A former life of this worker, or a call whose answer was lost.
        let left: Option<String> = connection.lindex(self.processing(worker), 0).await?;
        if let Some(left) = left {
            return Job::parse(&left).map(Some);
        }
        let mut command = redis::cmd(if patient { "BLMOVE" } else { "LMOVE" });
        command.arg(&self.queue).arg(self.processing(worker)).arg("RIGHT").arg("LEFT");
        if patient {
            command.arg(BLOCK);
        }
        let taken: Option<String> = command.query_async(&mut connection).await?;
        taken.as_deref().map(Job::parse).transpose()
    }

    pub(super) async fn start(&self, worker: &str, job: &Job) -> Result<(), StoreError> {
        Ok(self.line(job, What::Started, worker).exec_async(&mut self.connection.clone()).await?)
    }

    pub(super) async fn end(&self, worker: &str, job: &Job, what: What) -> Result<(), StoreError> {
        self.take_out(worker, job, what.name(), "").await
    }

    pub(super) async fn give_back(&self, worker: &str, job: &Job, log: bool) -> Result<(), StoreError> {
        self.take_out(worker, job, if log { What::Requeued.name() } else { "" }, "back").await
    }

    pub(super) async fn held_by(&self, worker: &str) -> Result<Vec<Job>, StoreError> {
        let held: Vec<String> = self.connection.clone().lrange(self.processing(worker), 0, -1).await?;
        held.iter().map(|job| Job::parse(job)).collect()
    }

    pub(super) async fn events(&self) -> Result<Vec<Event>, StoreError> {
        let range = redis::cmd("XRANGE").arg(&self.log).arg("-").arg("+").to_owned();
        let lines: Vec<Line> = range.query_async(&mut self.connection.clone()).await?;
        let event = |(number, fields): Line| {
            let field = |name: &str| {
                let found = fields.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone());
                found.ok_or_else(|| StoreError::Strange(format!("line {number} has no {name}")))
            };
            let milliseconds = number.split('-').next().and_then(|time| time.parse::<f64>().ok());
            let at = milliseconds.ok_or_else(|| StoreError::Strange(format!("line {number}")))? / 1000.0;
            Ok(Event { at, id: field("id")?, what: What::parse(&field("what")?)?, pod: field("pod")? })
        };
        lines.into_iter().map(event).collect()
    }

    /// Takes a job out of flight, and (`back`) into the queue again at its oldest end. Only who has taken it out
    /// writes the line, so that a call whose answer was lost may be made again.
    async fn take_out(&self, worker: &str, job: &Job, what: &str, back: &str) -> Result<(), StoreError> {
        // By its id: who wrote the job may have written its JSON otherwise than we would.
        let script = "
            for _, text in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
                if cjson.decode(text).id == ARGV[1] then
                    redis.call('LREM', KEYS[1], 1, text)
                    if ARGV[4] == 'back' then redis.call('RPUSH', KEYS[3], text) end
                    if ARGV[2] ~= '' then
                        redis.call('XADD', KEYS[2], '*', 'id', ARGV[1], 'what', ARGV[2], 'pod', ARGV[3])
                    end
                    return
                end
            end";
        let mut call = redis::cmd("EVAL");
        call.arg(script).arg(3).arg(self.processing(worker)).arg(&self.log).arg(&self.queue);
        call.arg(&job.id).arg(what).arg(worker).arg(back);
        Ok(call.exec_async(&mut self.connection.clone()).await?)
    }

    fn line(&self, job: &Job, what: What, worker: &str) -> Cmd {
        let mut line = redis::cmd("XADD");
        line.arg(&self.log)
            .arg("*")
            .arg("id")
            .arg(&job.id)
            .arg("what")
            .arg(what.name())
            .arg("pod")
            .arg(worker);
        line
    }

    fn processing(&self, worker: &str) -> String {
        format!("{}:processing:{worker}", self.queue)
    }
}
