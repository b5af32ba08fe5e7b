// Package custody keeps an environment's root keys: it loads them from their
// source when the environment starts, rotates and destroys them, uses old ones to
// map and reveal what was masked with them, and records who asked for it.
//
// A Keeper serves requests in the streams' account, where neither applications
// nor leaves can reach it; Ask sends them. What a key makes of a value belongs
// in package mask, how an environment's routes take on a key in package
// environment.
package custody
