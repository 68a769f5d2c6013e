// recur - a recurrent unit: a vector of states that every step of a sequence changes.
//
//   acc[r] = x[r] + sum_j w[r, j] * h[j]                   x: the sums of the step's own input
//   h'[s]  = Base + By * count_k(acc[s] >= t[s, k])        Levels thresholds
//
// With Gate rows come in pairs, a state's own and its gate's: where the gate's accumulator stays below its threshold
// the state keeps its value. After Steps steps the states are those of StartFile again: the next sequence begins.
// Every 1: the states behind every step leave; 0: those behind the last.
//
// With MaskBits a second stream, in the high bits of the x ports, has one element a step, taken with the step's first
// word: where it is not above 0 all states keep their values.
//
// Timing: a step takes (States/Simd) * (States/Pe) cycles and Drain = 4 + Late + Tree + (Levels > 1) more, because its
// first sum needs the last state of the step before. A word of Pe rows (pairs of rows with Gate) is taken with the first Simd states
// that it meets, and leaves as Pe states States/Simd + Drain cycles later.
// The pipeline moves as a whole while the two-word buffer at its end has room; that flag is a register.
// Kinds: 0 bipolar, 1 unsigned, 2 two's complement, 3 ternary (two bits; bit 0 says that the element counts).

module recur #(
  parameter int unsigned Steps   = 4,  // of a sequence
  parameter int unsigned States  = 4,
  parameter int unsigned Simd    = 2,  // states that are met at once, divides States
  parameter int unsigned Pe      = 1,  // states of one word, divides States
  parameter int unsigned Gate    = 0,
  parameter int unsigned Every   = 0,
  parameter int unsigned MaskBits = 0,  // of an element of the mask; 0: there is none
  parameter int unsigned MaskKind = 1,
  parameter int unsigned XBits   = 8,
  parameter int unsigned XKind   = 2,
  parameter int unsigned HBits   = 1,
  parameter int unsigned HKind   = 0,
  parameter int unsigned WBits   = 1,
  parameter int unsigned WKind   = 0,
  parameter int unsigned AccBits = 9,  // signed; holds every final accumulator (partial sums may wrap) and threshold
  parameter int unsigned Levels  = 1,
  parameter int unsigned ThrBits = 9,  // two's complement
  parameter int          Base    = 0,
  parameter int          By      = 1,
  parameter int unsigned Style   = 0,  // of the weights: 0 the tool chooses, 1 LUTs, 2 block RAM
  parameter int unsigned Mult    = 0,  // of products: 0 the tool chooses, 1 LUTs, 2 DSP blocks, 3 of two rows each
  parameter int unsigned Load    = 0,  // 1: weights, thresholds and first states may be loaded, by the chain of load_word
  parameter WeightFile = "",           // hexadecimal, a word of Pe (pairs of) rows x Simd weights for each cycle of a step
  parameter ThreshFile = "",           // hexadecimal, for each word Pe times Levels thresholds, and the gate's behind them
  parameter StartFile  = "",           // hexadecimal, one word of States states
  localparam int unsigned RowsOf = 1 + Gate,  // rows of a state
  localparam int unsigned Inputs = MaskBits > 0 ? 2 : 1,
  localparam int unsigned XWord  = Pe * RowsOf * XBits
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic [Inputs-1:0]         x_valid_i,
  output logic [Inputs-1:0]         x_ready_o,
  input  logic [XWord+MaskBits-1:0] x_data_i,
  output logic                      y_valid_o,
  input  logic                      y_ready_i,
  output logic [Pe*HBits-1:0]       y_data_o,
  input  logic [9:0] load_i,  // see load_word
  output logic [9:0] load_o
);
  localparam int unsigned Groups = States / Simd;  // cycles of one word
  localparam int unsigned Passes = States / Pe;    // words of one step
  localparam int unsigned Cycles = Groups * Passes;
  localparam int unsigned Rows   = Pe * RowsOf;    // of one word
  localparam int unsigned GroupBits = Groups > 1 ? $clog2(Groups) : 1;
  localparam int unsigned PassBits  = Passes > 1 ? $clog2(Passes) : 1;
  localparam int unsigned CycleBits = Cycles > 1 ? $clog2(Cycles) : 1;
  localparam int unsigned StepBits  = Steps > 1 ? $clog2(Steps) : 1;

  localparam bit Binary  = (HKind == 0 || HKind == 3) && (WKind == 0 || WKind == 3);
  localparam bit Counted = HKind == 0 && WKind == 0;  // dots counts equal bits: their sum is twice that less States
  localparam int unsigned CountBits = $clog2(Simd + 1);
  localparam int unsigned SumBits = Binary ? CountBits + 1 : HBits + WBits + 1 + $clog2(Simd);
  localparam int unsigned Tree = Binary ? (CountBits >= 3 ? 1 : 0) + (CountBits > 4 ? CountBits - 4 : 0)
                                        : (Simd > 1 ? ($clog2(Simd) - 1) / 2 : 0);
  // A block RAM is slow and may lie far away: a register that it has itself, where the family offers that, and one between
  // it, or the choice between blocks that lie one above the other, and the products.
  localparam int unsigned Late = Style == 2 || (Style == 0 && Cycles > 2048) ? 2 : Style == 0 && Cycles >= 64 ? 1 : 0;
  localparam int unsigned Summed = 2 + Late + Tree;  // cycles from a word to its sum
  // the comparisons with several thresholds are counted in a cycle of its own
  localparam int unsigned Stairs = Levels > 1 ? 1 : 0;
  localparam int unsigned Record = Levels + Gate;    // thresholds of a state

  if (States % Simd != 0) begin : check_1
    $error("recur: Simd=%0d does not divide States=%0d", Simd, States);
  end
  if (States % Pe != 0) begin : check_2
    $error("recur: Pe=%0d does not divide States=%0d", Pe, States);
  end

  // ---- which states, which rows ----------------------------------------------------------------------------------
  logic                 go, step, first_group, last_group, last_pass, drain_q, renew, ready, arrived, live;
  logic [GroupBits-1:0] group_q;
  logic [PassBits-1:0]  pass_q;
  logic [CycleBits-1:0] cycle_q;

  assign first_group = group_q == '0;
  assign last_group  = group_q == GroupBits'(Groups - 1);
  assign last_pass   = pass_q == PassBits'(Passes - 1);
  assign ready       = go && !drain_q && first_group;
  assign step        = go && !drain_q && (!first_group || arrived);

  if (MaskBits == 0) begin : gen_unmasked
    assign arrived   = x_valid_i[0];
    assign x_ready_o = ready;
    assign live      = 1'b1;
  end else begin : gen_mask
    logic                first_pass, above, live_q;
    logic [MaskBits-1:0] mask;
    assign mask       = x_data_i[XWord+:MaskBits];
    assign first_pass = pass_q == '0;
    assign arrived    = x_valid_i[0] && (!first_pass || x_valid_i[1]);
    assign x_ready_o  = {ready && first_pass && x_valid_i[0], ready && (!first_pass || x_valid_i[1])};
    assign above      = MaskKind == 2 ? !mask[MaskBits-1] && mask != '0 : mask != '0;
    // a step's states come about before the next step begins
    always_ff @(posedge clk_i) if (step && first_group && first_pass) live_q <= above;
    assign live = live_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      group_q <= '0;
      pass_q  <= '0;
      cycle_q <= '0;
      drain_q <= 1'b0;
    end else begin
      if (step) begin
        cycle_q <= cycle_q == CycleBits'(Cycles - 1) ? '0 : cycle_q + 1'b1;
        group_q <= last_group ? '0 : group_q + 1'b1;
        if (last_group) pass_q <= last_pass ? '0 : pass_q + 1'b1;
        if (last_group && last_pass) drain_q <= 1'b1;
      end
      if (renew) drain_q <= 1'b0;
    end
  end

  // ---- states and weights ----------------------------------------------------------------------------------------
  logic [States*HBits-1:0]     h_q, h_renewed;  // turns by Simd states a cycle
  logic [Simd*HBits-1:0]       h_read, h;
  logic [Rows*Simd*WBits-1:0]  w_read, w;
  logic [Rows*XBits-1:0]       x;               // aligned with sum
  logic [9:0]                  load_thresh, load_start;

  if (Groups == 1) begin : gen_still
    always_ff @(posedge clk_i) if (!rst_ni || renew) h_q <= h_renewed;
  end else begin : gen_turn
    always_ff @(posedge clk_i) begin
      if (!rst_ni || renew) h_q <= h_renewed;
      else if (step) h_q <= {h_q[Simd*HBits-1:0], h_q[States*HBits-1:Simd*HBits]};
    end
  end
  always_ff @(posedge clk_i) if (go) h_read <= h_q[Simd*HBits-1:0];

  rom #(
    .Bits(Rows * Simd * WBits), .Words(Cycles), .Style(Style), .Load(Load), .File(WeightFile)
  ) weights (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .addr_i(cycle_q), .data_o(w_read), .load_i(load_i), .load_o(load_thresh)
  );
  delay #(
    .Bits(Rows * Simd * WBits), .Cycles(Late)
  ) w_level (
    .clk_i(clk_i), .en_i(go), .d_i(w_read), .q_o(w)
  );
  delay #(
    .Bits(Simd * HBits), .Cycles(Late)
  ) h_level (
    .clk_i(clk_i), .en_i(go), .d_i(h_read), .q_o(h)
  );
  delay #(
    .Bits(Rows * XBits), .Cycles(Summed)
  ) x_pipe (
    .clk_i(clk_i), .en_i(go), .d_i(x_data_i[XWord-1:0]), .q_o(x)
  );

  // ---- inner products and accumulators ---------------------------------------------------------------------------
  logic [Rows-1:0][SumBits-1:0] sum;
  logic [Rows-1:0][AccBits-1:0] acc_q;
  logic                         sum_valid, sum_first, sum_last, acc_done;
  logic [PassBits-1:0]          sum_pass;

  dots #(
    .Simd(Simd), .Rows(Rows), .XBits(HBits), .XKind(HKind), .WBits(WBits), .WKind(WKind), .Mult(Mult)
  ) products (
    .clk_i(clk_i), .en_i(go), .x_i(h), .w_i(w), .sum_o(sum)
  );
  delay #(
    .Bits(2 + PassBits), .Cycles(Summed)
  ) place_pipe (
    .clk_i(clk_i), .en_i(go), .d_i({first_group, last_group, pass_q}), .q_o({sum_first, sum_last, sum_pass})
  );
  valid_pipe #(
    .Cycles(Summed)
  ) step_pipe (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .valid_i(step), .valid_o(sum_valid)
  );
  valid_pipe #(
    .Cycles(1)
  ) done_pipe (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .valid_i(sum_valid && sum_last), .valid_o(acc_done)
  );

  for (genvar r = 0; r < Rows; r++) begin : gen_acc
    logic signed [AccBits-1:0] start, more;
    if (XKind == 0) begin : gen_sign
      assign start = x[r*XBits] ? AccBits'(1) : '1;
    end else if (XKind == 1) begin : gen_unsigned
      assign start = AccBits'({1'b0, x[r*XBits+:XBits]});
    end else begin : gen_signed
      assign start = AccBits'($signed(x[r*XBits+:XBits]));
    end
    if (Counted) begin : gen_count
      assign more = AccBits'({sum[r], 1'b0}) - AccBits'(Simd);
    end else begin : gen_sum
      assign more = AccBits'($signed(sum[r]));
    end
    always_ff @(posedge clk_i) if (go && sum_valid) acc_q[r] <= (sum_first ? start : acc_q[r]) + more;
  end

  // ---- thresholds and gates --------------------------------------------------------------------------------------
  logic [Pe*Record*ThrBits-1:0] limits;
  logic [Pe*HBits-1:0]          new_q;
  logic [Pe-1:0]                open_q;
  logic                         y_done;

  rom #(
    .Bits(Pe * Record * ThrBits), .Words(Passes), .Load(Load), .File(ThreshFile)
  ) stairs (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .addr_i(sum_pass), .data_o(limits), .load_i(load_thresh), .load_o(load_start)
  );
  for (genvar p = 0; p < Pe; p++) begin : gen_state
    logic [Levels-1:0] reached, counted;
    logic [HBits-1:0]  level;
    logic              open, open_late;
    for (genvar k = 0; k < Levels; k++) begin : gen_level
      assign reached[k] = $signed(acc_q[p*RowsOf]) >= AccBits'($signed(limits[(p*Record+k)*ThrBits+:ThrBits]));
    end
    always_comb begin
      level = HBits'(Base);
      for (int k = 0; k < Levels; k++) level += HBits'(counted[k]) << (By - 1);
    end
    if (Gate != 0) begin : gen_gate
      assign open = $signed(acc_q[p*RowsOf+1]) >= AccBits'($signed(limits[(p*Record+Levels)*ThrBits+:ThrBits]));
    end else begin : gen_open
      assign open = 1'b1;
    end
    delay #(
      .Bits(Levels + 1), .Cycles(Stairs)
    ) compared (
      .clk_i(clk_i), .en_i(go), .d_i({open, reached}), .q_o({open_late, counted})
    );
    always_ff @(posedge clk_i) begin
      if (go) begin
        new_q[p*HBits+:HBits] <= level;
        open_q[p]             <= open_late;
      end
    end
  end
  valid_pipe #(
    .Cycles(1 + Stairs)
  ) stairs_pipe (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .valid_i(acc_done), .valid_o(y_done)
  );

  // ---- the next states -------------------------------------------------------------------------------------------
  logic [States*HBits-1:0] next_q, next, start_states;  // next_q: its low words are those of the step before
  logic [Pe*HBits-1:0]     y;
  logic [PassBits-1:0]     out_q;
  logic [StepBits-1:0]     step_q;
  logic                    last_out, last_step;

  rom #(
    .Bits(States * HBits), .Words(1), .Load(Load), .File(StartFile)
  ) starts (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .addr_i(1'b0), .data_o(start_states), .load_i(load_start), .load_o(load_o)
  );
  for (genvar p = 0; p < Pe; p++) begin : gen_y
    assign y[p*HBits+:HBits] = open_q[p] && live ? new_q[p*HBits+:HBits] : next_q[p*HBits+:HBits];
  end
  if (Passes == 1) begin : gen_whole
    assign next = y;
  end else begin : gen_shift
    assign next = {y, next_q[States*HBits-1:Pe*HBits]};
  end

  assign last_out  = out_q == PassBits'(Passes - 1);
  assign last_step = step_q == StepBits'(Steps - 1);
  assign renew     = go && y_done && last_out;
  assign h_renewed = !rst_ni || last_step ? start_states : next;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_q  <= '0;
      step_q <= '0;
    end else if (go && y_done) begin
      out_q <= last_out ? '0 : out_q + 1'b1;
      if (last_out) step_q <= last_step ? '0 : step_q + 1'b1;
    end
    if (!rst_ni || renew) next_q <= h_renewed;
    else if (go && y_done) next_q <= next;
  end

  // ---- the buffer at the end -------------------------------------------------------------------------------------
  fifo #(
    .Bits(Pe * HBits), .Depth(2)
  ) buffer (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(y_done && (Every != 0 || last_step)), .x_ready_o(go), .x_data_i(y),
    .y_valid_o(y_valid_o), .y_ready_i(y_ready_i), .y_data_o(y_data_o)
  );
endmodule
