// Package cluster makes one run of many agents: processes on this machine or on others, each of which sends its share of the hits.
//
// A Group is the coordinator and looks like an engine: its Run executes a plan by agents and puts what they measured, merged bit for
// bit, into the plan's recorder. Serve is an agent. The two talk over a Link in few messages:
//
//	agent                           coordinator
//	hello: who it is            →
//	                            ←   job: workload, keys, schedule, which share
//	ready: schedule understood  →
//	                            ⇄   pings: offset of the agent's clock, by the exchange with the shortest way
//	                            ←   start: the moment, by the agent's own clock
//	progress, once a second     →
//	                            ←   stop, where the run is interrupted
//	result: report, gates, log  →
//	                            ⇄   pings again
//	                            ←   bye
//
// Every agent walks through the whole schedule and takes its hits (schedule.Partition), so that their numbers, and with them
// operations, keys and payloads, are those of a single run. It times on its own monotonic clock. Percentiles are computed from
// merged histograms only, never from percentiles.
//
// Of an agent that is lost nothing is counted: its hits are a hole with a name. As hits are dealt by their number alone, whatever the
// server does, the others' measurements are not biased by that; but the load was less than asked.
//
// Links go over pipes to children (Pipes) or through etcd (Etcd). A Link may be sent to by several goroutines and received from by
// one. A Group owns a goroutine for each link while it runs, and the children of Pipes; it has ended all of them when Run returns.
package cluster
