//! Dropping a query ends its work: nothing computes on for nobody.

use std::collections::HashMap;
use std::task::Poll;

use futures::FutureExt as _;
use keytrail_query::{Session, SessionOptions};

/// Queries of one row over hundreds of millions.
const LONG: [&str; 3] = [
    "select count(*) from generate_series(1, 30000) a cross join generate_series(1, 30000) b",
    "select count(*) from generate_series(1, 30000) a(x) join generate_series(1, 30000) b(y) on x > y",
    "select count(*) from generate_series(1, 30000) a(x) join generate_series(1, 30000) b(y) on x % 1 = y % 1",
];

/// One thread and one partition: all of the query's work is done while the test polls it. A join that does not pause
/// comes to its end in the first poll.
#[tokio::test(flavor = "current_thread")]
async fn a_join_pauses_while_it_multiplies_rows() {
    let options = SessionOptions { target_partitions: Some(1), ..SessionOptions::default() };
    let session = Session::over_tables(HashMap::new(), &options).unwrap();
    for sql in LONG {
        let mut result = session.execute(sql, &[]).await.unwrap();
        let mut next = Box::pin(result.next());
        for _ in 0..20 {
            let polled = futures::poll!(next.as_mut());
            assert!(matches!(polled, Poll::Pending), "{sql} did not pause");
            tokio::task::yield_now().await;
        }
        assert!(next.now_or_never().is_none(), "{sql}");
    }
}
