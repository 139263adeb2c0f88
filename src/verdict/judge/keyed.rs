//! Many objects of one kind, each under a key. They are apart from each other, so the search
//! judges each by itself and shares its budget fairly.

use std::collections::BTreeMap;

use crate::verdict::model::{Access, Model, Touched, mix};

/// Objects under keys.
#[derive(Clone, Debug)]
pub struct Keyed<M> {
    /// What is under each key.
    pub inner: M,
    /// What each key is called.
    pub names: Vec<String>,
}

/// An operation on the object under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op<O> {
    /// Which: an index into the names.
    pub key: u32,
    /// What.
    pub op: O,
}

impl<O> Op<O> {
    /// On the object under this key.
    pub fn new(key: u32, op: O) -> Op<O> {
        Op { key, op }
    }
}

impl<M: Model> Model for Keyed<M> {
    type Op = Op<M::Op>;
    type Answer = M::Answer;
    type State = BTreeMap<u32, M::State>;
    type Undo = M::Undo;

    fn start(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(
        &self,
        state: &mut Self::State,
        op: &Self::Op,
        answer: Option<&Self::Answer>,
    ) -> Option<Self::Undo> {
        let object = state.entry(op.key).or_insert_with(|| self.inner.start());
        self.inner.step(object, &op.op, answer)
    }

    fn back(&self, state: &mut Self::State, op: &Self::Op, undo: Self::Undo) {
        let object = state.get_mut(&op.key).expect("a step was taken on this key");
        self.inner.back(object, &op.op, undo);
    }

    /// The search sees one key at a time, so this is short. An untouched object hashes as none.
    fn hash(&self, state: &Self::State) -> u128 {
        let fresh = self.inner.hash(&self.inner.start());
        let mut hash = 0;
        for (key, object) in state {
            let inner = self.inner.hash(object);
            if inner != fresh {
                let (high, low) = ((inner >> 64) as u64, inner as u64);
                hash ^= mix(u64::from(*key) ^ high, low) ^ inner;
            }
        }
        hash
    }

    fn is_pure(&self, op: &Self::Op, answer: &Self::Answer) -> bool {
        self.inner.is_pure(&op.op, answer)
    }

    fn touches(&self, op: &Self::Op, _: Option<&Self::Answer>, parts: &mut Touched) {
        let key = mix(8, u64::from(op.key)) as u64;
        parts.see(key);
        parts.change(key);
    }

    fn hint(&self, op: &Self::Op, answer: Option<&Self::Answer>) -> Option<u64> {
        self.inner.hint(&op.op, answer)
    }

    /// Of one key only: [`Keyed::touches`] keeps others away.
    fn access(&self, op: &Self::Op, answer: Option<&Self::Answer>) -> Access {
        self.inner.access(&op.op, answer)
    }

    fn weight(&self, state: &Self::State) -> usize {
        state.values().map(|object| self.inner.weight(object)).sum()
    }

    fn refusal(&self, state: &Self::State, op: &Self::Op, answer: Option<&Self::Answer>) -> String {
        match state.get(&op.key) {
            Some(object) => self.inner.refusal(object, &op.op, answer),
            None => self.inner.refusal(&self.inner.start(), &op.op, answer),
        }
    }

    fn show(&self, op: &Self::Op, answer: Option<&Self::Answer>) -> String {
        let name = &self.names[op.key as usize];
        format!("{} (key {name})", self.inner.show(&op.op, answer))
    }
}
