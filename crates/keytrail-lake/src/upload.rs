//! Objects on their way into a store: small ones in one request, large ones in parts.
//!
//! It does not know what they hold, and nothing is visible before the last request has come through.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, Result};
use tokio::task::JoinSet;

use crate::checksum::Checksum;

/// Objects up to this size go in one request, larger ones in parts of it; some stores want parts of equal size.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// With these parts a writer's memory and a slow line's patience are bounded.
const PARTS_IN_FLIGHT: usize = 4;

/// Stores a whole object under a name that nobody else uses: repeating it is harmless.
pub(crate) async fn put_object(store: &Arc<dyn ObjectStore>, path: &Path, bytes: Bytes) -> Result<()> {
    if bytes.len() <= PART_BYTES {
        return store.put(path, bytes.into()).await.map(|_result| ());
    }
    let mut upload = Upload::new(Arc::clone(store), path.clone());
    upload.push(bytes).await?;
    upload.finish().await
}

/// An object that is written piece by piece.
struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// None before the first part; a small object has none.
    parts: Option<Parts>,
    /// What is not yet a part.
    buffer: Vec<Bytes>,
    buffered_bytes: usize,
}

struct Parts {
    upload: Box<dyn MultipartUpload>,
    in_flight: JoinSet<Result<()>>,
}

impl Upload {
    fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self { store, path, parts: None, buffer: Vec::new(), buffered_bytes: 0 }
    }

    /// Takes the next bytes; after an error the upload is given up.
    async fn push(&mut self, mut bytes: Bytes) -> Result<()> {
        while self.buffered_bytes + bytes.len() > PART_BYTES {
            let rest = bytes.split_off(PART_BYTES - self.buffered_bytes);
            self.buffer.push(bytes);
            bytes = rest;
            if let Err(error) = self.send_part().await {
                self.abort().await;
                return Err(error);
            }
        }
        self.buffered_bytes += bytes.len();
        self.buffer.push(bytes);
        Ok(())
    }

    /// Sends what is left and makes the object visible; after an error the upload is given up.
    async fn finish(&mut self) -> Result<()> {
        let finished = match self.parts {
            None => {
                let payload: PutPayload = self.buffer.drain(..).collect();
                self.store.put(&self.path, payload).await.map(|_result| ())
            }
            Some(_) => self.finish_parts().await,
        };
        if finished.is_err() {
            self.abort().await;
        }
        finished
    }

    async fn finish_parts(&mut self) -> Result<()> {
        self.send_part().await?;
        let Some(parts) = &mut self.parts else { return Ok(()) };
        while let Some(sent) = parts.in_flight.join_next().await {
            sent??;
        }
        parts.upload.complete().await?;
        self.parts = None;
        Ok(())
    }

    /// Starts sending the buffer as a part, once few enough others are on their way.
    async fn send_part(&mut self) -> Result<()> {
        let parts = match self.parts.take() {
            Some(parts) => parts,
            None => Parts { upload: self.store.put_multipart(&self.path).await?, in_flight: JoinSet::new() },
        };
        let parts = self.parts.insert(parts);
        while parts.in_flight.len() >= PARTS_IN_FLIGHT {
            parts.in_flight.join_next().await.transpose()?.transpose()?;
        }
        let payload: PutPayload = self.buffer.drain(..).collect();
        self.buffered_bytes = 0;
        parts.in_flight.spawn(parts.upload.put_part(payload));
        Ok(())
    }

    /// Gives up the parts, which a bucket would otherwise keep and bill.
    async fn abort(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            parts.in_flight.shutdown().await;
            // The error that led here is the one to tell.
            let _aborted = parts.upload.abort().await;
        }
    }
}

/// An upload that knows the size and the checksum of what went through it.
pub(crate) struct SummedUpload {
    upload: Upload,
    checksum: Checksum,
    size_bytes: u64,
}

impl SummedUpload {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self { upload: Upload::new(store, path), checksum: Checksum::default(), size_bytes: 0 }
    }

    /// Takes the next bytes; after an error the upload is given up.
    pub(crate) async fn push(&mut self, bytes: Vec<u8>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.checksum.update(&bytes);
        self.size_bytes += bytes.len() as u64;
        self.upload.push(bytes.into()).await
    }

    /// Makes the object visible, and tells its size and checksum; after an error the upload is given up.
    pub(crate) async fn finish(mut self) -> Result<(u64, String)> {
        self.upload.finish().await?;
        Ok((self.size_bytes, self.checksum.finish()))
    }

    /// As [`Upload::abort`].
    pub(crate) async fn abort(&mut self) {
        self.upload.abort().await;
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    async fn stored(pieces: &[usize]) -> Vec<u8> {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("object");
        let mut upload = Upload::new(Arc::clone(&store), path.clone());
        for (piece, length) in (0_u8..).zip(pieces) {
            upload.push(Bytes::from(vec![piece; *length])).await.expect("a piece");
        }
        assert!(store.head(&path).await.is_err(), "visible too early");
        upload.finish().await.expect("an object");
        store.get(&path).await.expect("the object").bytes().await.expect("its bytes").to_vec()
    }

    #[tokio::test]
    async fn pieces_of_any_size_become_the_object() {
        const PART: usize = PART_BYTES;
        for pieces in [
            &[][..],
            &[0],
            &[1, 2, 3],
            &[PART],
            &[PART, 1],
            &[PART - 1, 1, 1],
            &[3 * PART + 7],
            &[5, 2 * PART, 0, PART, 9],
        ] {
            let expected: Vec<u8> =
                (0_u8..).zip(pieces).flat_map(|(piece, length)| std::iter::repeat_n(piece, *length)).collect();
            assert!(stored(pieces).await == expected, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn an_aborted_upload_leaves_nothing() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let mut upload = Upload::new(Arc::clone(&store), Path::from("object"));
        upload.push(Bytes::from(vec![1; PART_BYTES + 1])).await.expect("a piece");
        upload.abort().await;
        assert!(store.head(&Path::from("object")).await.is_err());
    }
}
