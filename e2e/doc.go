// Package e2e tests the whole system as its users meet it: real processes of
// the lockstep command, real NATS clients, real files. What one package does
// alone is tested beside it.
package e2e
