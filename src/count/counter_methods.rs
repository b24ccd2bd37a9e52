//! What can be seen of a counter, for the types that have one inside.

/// The methods of a [`Counter`](crate::Counter) that look at it, for a type with a field `counter`. Not by
/// `Deref`, under which a wrapper has methods that its own page doesn't show, and that go around it.
// Paths are those of the file that calls this, beside this one.
macro_rules! counter_methods {
    ($wrapper:ty) => {
        impl $wrapper {
            /// Reads records in this format, as [`Counter::reading`](crate::Counter::reading) says.
            ///
            /// ```
            /// # use kinesis_lab::prelude::*;
            /// use kinesis_lab::JsonFormat;
            ///
            /// let stream = Kinesis::local()?.create_stream("pages", 1)?;
            /// stream.put("any", r#"{"at": 1709288100, "page": "/cart"}"#)?;
            /// let mut live = Counter::per_minute().printing().reading(JsonFormat::new().key(&["page"]).time("at"));
            /// stream.consumer().trim_horizon().run_until_caught_up(&mut live)?;
            /// assert_eq!(live.windows()[0].counts[0].0, "/cart");
            /// # Ok::<(), Error>(())
            /// ```
            pub fn reading(mut self, format: impl Into<$crate::format::AnyFormat>) -> Self {
                self.counter = self.counter.reading(format);
                self
            }
        }

        /// What can be seen of the counter inside.
        impl $wrapper {
            /// The counter inside.
            pub fn counter(&self) -> &super::counter::Counter {
                &self.counter
            }

            /// The windows in memory that have events, by time: all that are not complete, and so may grow.
            pub fn windows(&self) -> Vec<super::window::Window> {
                self.counter.windows()
            }

            /// All events in memory: in windows that are not complete.
            pub fn total(&self) -> u64 {
                self.counter.total()
            }

            /// How far event time has advanced.
            pub fn watermark(&self) -> $crate::timestamp::Timestamp {
                self.counter.watermark()
            }

            /// The events that came for windows already complete.
            pub fn late(&self) -> &super::late::Late {
                self.counter.late()
            }

            /// The events from the future.
            pub fn refused(&self) -> &super::late::Refused {
                self.counter.refused()
            }

            /// Whose clocks are ahead of the service's.
            pub fn clocks_ahead(&self) -> &super::clocks_ahead::ClocksAhead {
                self.counter.clocks_ahead()
            }

            /// How many events were counted before: they have an id that was seen, or a filter sent them twice.
            pub fn duplicates(&self) -> u64 {
                self.counter.duplicates()
            }

            /// How many records, or parts of one that should be an event, did not parse as one.
            pub fn unparsed(&self) -> u64 {
                self.counter.unparsed()
            }

            /// How many events are in no window, because there were as many panes as may be kept.
            pub fn unplaced(&self) -> u64 {
                self.counter.unplaced()
            }

            /// The first 100 records that did not parse, of up to 16 MiB, each with its place and the reason.
            pub fn unparsed_samples(&self) -> &[super::unparsed::Unparsed] {
                self.counter.unparsed_samples()
            }
        }
    };
}

pub(crate) use counter_methods;
