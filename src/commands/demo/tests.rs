use super::*;

/// The first hours of the log.
const HOURS: f64 = 6.0;

fn options() -> Options {
    Options {
        days: 1,
        median: 300.0,
        cap: 4.0 * 3600.0,
        sample_every: 5.0,
        seed: 1,
        http: ([127, 0, 0, 1], 0).into(),
        no_progress: true,
        stay: false,
    }
}

#[test]
fn no_answer_asks_a_busy_worker_to_go_and_all_work_is_done() {
    let options = options();
    let mut world = World::new(&options).unwrap();
    world.log = world.log.window(world.start, world.start + HOURS * 3600.0);
    let clock = Arc::new(VirtualClock::new(world.start));
    let stop = CancellationToken::new();
    let (rooms, server, http) = rooms(&Arc::new(world::config(&options)), clock.clone(), &stop).unwrap();
    let service = Service::start(server, http, options.http, stop).unwrap();
    let (mut samples, mut busiest) = (0, 0);
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (summary, (calls, failed)) = runtime.block_on(async {
        let keda = Keda::connect(service.grpc, world::scaled_object()).await.unwrap();
        let mut lock_step =
            LockStep::new(clock, world.pool(), options.sample_every, rooms, world.foresails_keda(), keda);
        let observe = |moment: &lock_step::Moment<'_>| {
            let Some(target) = moment.target else { return };
            let target = target as usize;
            assert!(target >= moment.pool.busy(), "{target} of {} at {}", moment.pool.busy(), moment.at);
            samples += 1;
            busiest = busiest.max(moment.pool.busy());
        };
        (lock_step.run(world.limit, observe).await.unwrap(), lock_step.calls())
    });
    drop(runtime);
    service.end().unwrap();

    let seconds = HOURS * 3600.0;
    assert!(f64::from(samples) >= seconds / options.sample_every, "{samples} samples");
    assert!(busiest >= 5, "at most {busiest} workers were busy: nothing was tested");
    assert_eq!((summary.completed, summary.requeued), (world.log.jobs().len(), 0));
    let (busy, work) = (summary.worker_seconds.busy, world.log.work());
    assert!((busy - work).abs() < 1e-6 * work, "{busy} {work}");
    assert!(calls > 1000 && failed == 0, "{failed} of {calls} calls failed");
}
