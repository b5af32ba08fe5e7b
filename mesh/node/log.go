package node

import (
	"fmt"

	"github.com/rs/zerolog"
)

// logger hands the server's log to zerolog. What the server calls fatal would
// end the process; here it is reported to whoever starts the server.
type logger struct {
	log   zerolog.Logger
	fatal chan<- error
}

func newLogger(log zerolog.Logger, fatal chan<- error) *logger {
	return &logger{log: log.With().Str("part", "nats").Logger(), fatal: fatal}
}

func (l *logger) Noticef(format string, v ...any) { l.log.Debug().Msgf(format, v...) }
func (l *logger) Warnf(format string, v ...any)   { l.log.Warn().Msgf(format, v...) }
func (l *logger) Errorf(format string, v ...any)  { l.log.Error().Msgf(format, v...) }
func (l *logger) Debugf(format string, v ...any)  { l.log.Debug().Msgf(format, v...) }
func (l *logger) Tracef(format string, v ...any)  { l.log.Trace().Msgf(format, v...) }

func (l *logger) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	l.log.Error().Err(err).Msg("the NATS server gave up")
	select {
	case l.fatal <- err:
	default:
	}
}
