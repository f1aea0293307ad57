// SPDX-License-Identifier: GPL-2.0

//! What a test is, and how a suite names its own.

/// What a test returns; `?` and `ensure!` fail it, and so does a panic.
pub type Outcome = anyhow::Result<()>;

/// The error of a test that cannot be made on this kernel, and why.
#[derive(Debug)]
pub struct Skip(pub &'static str);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Skip {}

/// How long a test may take that does not say so itself, s.
pub const LIMIT: u64 = 120;

/// One test.
pub struct Test {
    /// The file it stands in.
    pub suite: &'static str,
    /// Its function.
    pub name: &'static str,
    /// Its body.
    pub run: fn() -> Outcome,
    /// How long it may take, s. (`MP3_LIMIT_FACTOR` multiplies it, for slow kernels.)
    pub limit: fn() -> u64,
}

impl Test {
    /// `suite::name`.
    pub fn name(&self) -> String {
        format!("{}::{}", self.suite, self.name)
    }
}

/// The tests of a suite: `tests![a, b within 300]` for functions of the module that it stands in, the latter of which may take 300 s.
#[macro_export]
macro_rules! tests {
    (@limit) => { $crate::test::LIMIT };
    (@limit $limit:expr) => { $limit };
    ($($name:ident $(within $limit:expr)?),* $(,)?) => {
        /// The tests of this suite.
        pub fn tests() -> Vec<$crate::test::Test> {
            let suite = module_path!().rsplit("::").next().unwrap_or_default();
            vec![$($crate::test::Test {
                suite,
                name: stringify!($name),
                run: $name,
                limit: || $crate::tests!(@limit $($limit)?),
            }),*]
        }
    };
}
