//go:build !unix

package cputest

import "time"

var began = time.Now()

func used() time.Duration { return time.Since(began) }
