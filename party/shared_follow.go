package party

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/link"
)

// grace is how long party 0 waits for an input that party 1 has named, before
// others get their turn: clients send to both at the same time.
const grace = 50 * time.Millisecond

// follow is party 0's side of a deal, the program that party 1 runs.
func (s *SharedServer) follow(ctx context.Context, j *Joint) error {
	var terms api.SharedTerms
	if err := api.Receive(ctx, j.Stream(), api.Kind_SHARES, sharedLimit, &terms); err != nil {
		return err
	}
	d, err := s.awaitDeal(ctx, &terms)
	if err != nil {
		return err
	}
	err = s.followDeal(ctx, j, d)
	switch err {
	case nil:
		d.finish(d.spent(1))
	case errRetired:
		d.finish(err)
		return nil
	default:
		d.finish(lost(err))
	}
	return err
}

// awaitDeal waits for this server's part of what party 1 names.
func (s *SharedServer) awaitDeal(ctx context.Context, terms *api.SharedTerms) (d *deal, err error) {
	if len(terms.Deal) != len(sharedID{}) {
		return nil, fmt.Errorf("a deal with an id of %d bytes", len(terms.Deal))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.Patience,
		fmt.Errorf("this server got no part of the deal within %v", s.Patience))
	defer cancel()
	err = s.await(ctx, func() bool {
		d = s.pending[sharedID(terms.Deal)]
		return d != nil
	})
	if err != nil {
		return nil, err
	}
	if d.taken.Swap(true) {
		return nil, errors.New("another session follows this deal already")
	}
	switch {
	case string(terms.Plan) != string(d.hash[:]):
		err = fmt.Errorf("the two servers got parts of different models: plans %x and %s", terms.Plan[:min(6, len(terms.Plan))], short(d.hash))
	case int(terms.Inferences) != d.inferences:
		err = fmt.Errorf("the two servers were asked to prepare for different numbers of inferences, %d and %d", terms.Inferences, d.inferences)
	case string(terms.Owner) != string(d.owner[:]):
		err = errors.New("the two servers got the parts of this deal from different owners")
	}
	if err != nil {
		d.finish(err)
		return nil, err
	}
	return d, nil
}

// followDeal prepares the model and evaluates the inputs that party 1 names, until
// none is left or party 1 ends the session.
func (s *SharedServer) followDeal(ctx context.Context, j *Joint, d *deal) error {
	if err := api.Send(ctx, j.Stream(), api.Kind_SHARES_REPLY, &api.SharedTermsReply{}); err != nil {
		return err
	}
	// Meanwhile the correlations are made, on other streams.
	if err := s.next(ctx, j, &api.SharedReserve{}); err != nil {
		if err == io.EOF {
			err = errors.New("the other server has given the deal up")
		}
		return err
	}
	p, err := prepare(ctx, j, d)
	if err != nil {
		return err
	}
	if err := s.publish(d); err != nil {
		return err
	}
	for p.left > 0 {
		var order api.SharedOrder
		if err := s.next(ctx, j, &order); err != nil {
			if err == io.EOF {
				return errRetired
			}
			return err
		}
		d.ordered.Store(time.Now().UnixNano())
		r, reply, err := s.find(ctx, d, p, &order)
		if err != nil {
			return err
		}
		if err := api.Send(ctx, j.Stream(), api.Kind_SHARES_REPLY, reply); err != nil {
			if r != nil {
				r.finish(lost(err))
			}
			return err
		}
		if !reply.Here {
			continue
		}
		if err := p.evaluate(ctx, r); err != nil {
			r.finish(lost(err))
			return err
		}
		d.left.Store(int64(p.left))
		d.ordered.Store(time.Now().UnixNano())
		r.finish(nil)
	}
	return nil
}

// next waits for what party 1 wants next.
func (s *SharedServer) next(ctx context.Context, j *Joint, m proto.Message) error {
	_, b, err := j.Stream().RecvNext(ctx, link.Due{Kind: api.Kind_SHARES, Max: sharedLimit})
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("decoding what the other server wants: %w", err)
	}
	return nil
}

// find takes the input that party 1 names out of the inbox. An error ends the
// session.
func (s *SharedServer) find(ctx context.Context, d *deal, p *prepared, order *api.SharedOrder) (*request, *api.SharedOrderReply, error) {
	if len(order.Client) != len(link.PublicKey{}) || len(order.Request) != len(sharedID{}) {
		return nil, nil, errors.New("the other server names an input by a name that is none")
	}
	key := requestKey{link.PublicKey(order.Client), sharedID(order.Request)}
	waiting, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	var r *request
	err := s.await(waiting, func() bool {
		r = s.inbox[key]
		delete(s.inbox, key)
		return r != nil
	})
	if err != nil {
		return nil, &api.SharedOrderReply{}, ctx.Err()
	}
	refused := ""
	switch {
	case r.hash != d.hash:
		refused = "the two servers got parts of inputs of different models"
	case int(order.Inferences) != r.inferences:
		refused = fmt.Sprintf("the two servers got parts of %d and of %d inputs", order.Inferences, r.inferences)
	case r.inferences > p.left:
		refused = d.spent(r.inferences).Error()
	}
	if refused != "" {
		r.finish(errors.New(refused))
		return nil, &api.SharedOrderReply{Refused: refused}, nil
	}
	return r, &api.SharedOrderReply{Here: true}, nil
}
