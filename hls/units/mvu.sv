// mvu - matrix-vector-threshold unit.
//
//   acc[r] = sum_c w[r, c] * x[c]
//   y[r]   = Base + count_k(acc[r] >= t[r, k])         Levels thresholds; Levels 0: y[r] = acc[r]
//
// Timing: a word of Simd columns enters and Pe rows are worked on in every cycle: (Cols/Simd) * (Rows/Pe) cycles for
// a vector, none between vectors. The first of the Rows/Pe passes takes the vector in, the others replay it.
// The first word leaves Cols/Simd - 1 + 4 + TreeLatency cycles after the first came in, one more with Levels > 1 and
// two more with weights in block RAM (one more with 64 to 2048 words of Style 0, which may be).
// With Style 4 the weights are stream 1 of x, behind the vectors: the words of WeightFile in its order, over and over, one for
// each of those cycles. Where one is late the pipeline waits for it; what came before goes on.
// The pipeline moves as a whole while the two-word buffer at its end has room; that flag is a register.
//
// Bipolar x bipolar counts equal bits (acc = 2 * count - Cols), and its thresholds are counts. With one level the
// threshold memory holds minus the threshold, where the accumulator starts: y is its sign, no comparator is spent.
// Kinds: 0 bipolar, 1 unsigned, 2 two's complement, 3 ternary (two bits; bit 0 says that the element counts).

module mvu #(
  parameter int unsigned Cols    = 8,  // length of the input vector
  parameter int unsigned Rows    = 4,  // length of the output vector
  parameter int unsigned Simd    = 4,  // columns of one word, divides Cols
  parameter int unsigned Pe      = 2,  // rows of one word, divides Rows
  parameter int unsigned XBits   = 1,
  parameter int unsigned XKind   = 0,
  parameter int unsigned WBits   = 1,
  parameter int unsigned WKind   = 0,
  parameter int unsigned AccBits = 5,  // signed; holds every final accumulator (partial sums may wrap)
  parameter int unsigned Levels  = 1,
  parameter int unsigned ThrBits = 5,  // two's complement
  parameter int unsigned YBits   = 1,
  parameter int          Base    = 0,
  parameter int unsigned Style   = 0,  // of the weights: 0 the tool chooses, 1 LUTs, 2 block RAM, 3 constants, 4 streamed
  parameter int unsigned Mult    = 0,  // of products: 0 the tool chooses, 1 LUTs, 2 DSP blocks, 3 of two rows each
  parameter int unsigned Load    = 0,  // 1: weights and thresholds may be loaded, by the chain of load_word
  parameter WeightFile = "",           // hexadecimal, one word of Pe x Simd weights for each step, column 0 low
  parameter ThreshFile = "",           // hexadecimal, one word of Pe x Levels thresholds for each pass
  localparam int unsigned Ins    = Style == 4 ? 2 : 1,  // streams that enter
  localparam int unsigned WWord  = Pe * Simd * WBits,
  localparam int unsigned InBits = Simd * XBits + (Style == 4 ? WWord : 0)
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic [Ins-1:0]        x_valid_i,
  output logic [Ins-1:0]        x_ready_o,
  input  logic [InBits-1:0]     x_data_i,
  output logic                  y_valid_o,
  input  logic                  y_ready_i,
  output logic [Pe*YBits-1:0]   y_data_o,
  input  logic [9:0] load_i,  // see load_word
  output logic [9:0] load_o
);
  localparam int unsigned Groups = Cols / Simd;  // words of one vector
  localparam int unsigned Passes = Rows / Pe;
  localparam int unsigned Steps  = Groups * Passes;
  localparam int unsigned GroupBits = Groups > 1 ? $clog2(Groups) : 1;
  localparam int unsigned PassBits  = Passes > 1 ? $clog2(Passes) : 1;
  localparam int unsigned StepBits  = Steps > 1 ? $clog2(Steps) : 1;

  localparam bit Binary = (XKind == 0 || XKind == 3) && (WKind == 0 || WKind == 3);
  localparam bit Counted = XKind == 0 && WKind == 0;
  localparam int unsigned CountBits   = $clog2(Simd + 1);
  // a few words of weights are a table that a comparison of bits absorbs; the register is behind both
  localparam int unsigned Fused = Binary && Load == 0 && Style < 2 && Steps > 1 && Steps <= 32 ? 1 : 0;
  localparam int unsigned First = 3 + Fused;  // of popcount
  localparam bit Compared = Fused == 0 && (Steps > 1 || Load != 0 || Style == 4);  // with weights that are no constants
  localparam int unsigned Height = Fused == 0 ? CountBits : 3 + $clog2((Simd + 7) / 7);
  localparam int unsigned TreeLatency = Binary ? Fused + (Height >= First ? 1 : 0)
                                                 + (Height > First + 1 ? Height - First - 1 : 0)
                                               : (Simd > 1 ? ($clog2(Simd) - 1) / 2 : 0);
  // A block RAM is slow and may lie far away: a register that it has itself, where the family offers that, and one between
  // it, or the choice between blocks that lie one above the other, and the products.
  localparam int unsigned Late = Style == 2 || (Style == 0 && Steps > 2048) ? 2 : Style == 0 && Steps >= 64 ? 1 : 0;
  localparam int unsigned SumBits = Binary ? CountBits + 1 : XBits + WBits + 1 + $clog2(Simd);
  // the like for accumulators' starts in so many words that they may be in block RAM: read a cycle before, kept for one
  localparam int unsigned Early = Levels == 1 && Passes >= 64 ? 1 : 0;

  if (Cols % Simd != 0) begin : check_1
    $error("mvu: Simd=%0d does not divide Cols=%0d", Simd, Cols);
  end
  if (Rows % Pe != 0) begin : check_2
    $error("mvu: Pe=%0d does not divide Rows=%0d", Pe, Rows);
  end
  if (Style == 3 && Steps != 1) begin : check_3
    $error("mvu: constant weights need Simd=%0d and Pe=%0d", Cols, Rows);
  end
  if (Style == 4 && Load != 0) begin : check_4
    $error("mvu: streamed weights are not loaded");
  end

  // ---- which word, which rows ------------------------------------------------------------------------------------
  logic                 go, step, first_pass, first_group, last_group, w_there;
  logic [GroupBits-1:0] group_q;
  logic [PassBits-1:0]  pass_q;
  logic [StepBits-1:0]  step_q;

  // x_ready_o comes from a register, not from a comparison: it goes back into the unit before this one
  if (Passes == 1) begin : gen_one_pass
    assign first_pass = 1'b1;
  end else begin : gen_passes
    logic first_pass_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) first_pass_q <= 1'b1;
      else if (step && last_group) first_pass_q <= pass_q == PassBits'(Passes - 1);
    end
    assign first_pass = first_pass_q;
  end
  assign first_group = group_q == '0;
  assign last_group  = group_q == GroupBits'(Groups - 1);
  assign step         = go && w_there && (!first_pass || x_valid_i[0]);
  assign x_ready_o[0] = go && w_there && first_pass;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      group_q <= '0;
      pass_q  <= '0;
      step_q  <= '0;
    end else if (step) begin
      step_q  <= step_q == StepBits'(Steps - 1) ? '0 : step_q + 1'b1;
      group_q <= last_group ? '0 : group_q + 1'b1;
      if (last_group) pass_q <= pass_q == PassBits'(Passes - 1) ? '0 : pass_q + 1'b1;
    end
  end

  // ---- the word and its weights ----------------------------------------------------------------------------------
  logic [Simd*XBits-1:0]     x_read, x;
  logic [WWord-1:0]          w_read, w;

  if (Passes == 1 || Groups == 1) begin : gen_hold
    logic [Simd*XBits-1:0] x_q;
    always_ff @(posedge clk_i) if (go && first_pass) x_q <= x_data_i[Simd*XBits-1:0];
    assign x_read = x_q;
  end else begin : gen_replay
    logic [Simd*XBits-1:0] x_q, again;
    logic                  fresh_q, put_q;
    logic [GroupBits-1:0]  put_addr_q;
    always_ff @(posedge clk_i) begin
      if (go) begin
        x_q        <= x_data_i[Simd*XBits-1:0];
        fresh_q    <= first_pass;
        put_q      <= first_pass && x_valid_i[0];
        put_addr_q <= group_q;
      end
    end
    // A word is kept from its register, a step late: it is read again Groups steps after it came, at least two. While
    // the pipeline stands it is kept again.
    ram #(
      .Bits(Simd * XBits), .Words(Groups)
    ) vector (
      .clk_i(clk_i), .put_i(put_q), .put_addr_i(put_addr_q), .put_data_i(x_q),
      .get_i(go), .get_addr_i(group_q), .get_data_o(again)
    );
    assign x_read = fresh_q ? x_q : again;
  end

  logic [9:0] load;  // from the weights to the thresholds
  if (Style == 4) begin : gen_fed
    logic [WWord-1:0] w_next, w_q;
    slice #(
      .Bits(WWord)
    ) arriving (
      .clk_i(clk_i), .rst_ni(rst_ni),
      .x_valid_i(x_valid_i[Ins-1]), .x_ready_o(x_ready_o[Ins-1]), .x_data_i(x_data_i[InBits-1-:WWord]),
      .y_valid_o(w_there), .y_ready_i(step), .y_data_o(w_next)
    );
    always_ff @(posedge clk_i) if (go) w_q <= w_next;
    assign w_read = w_q;
    assign load   = '0;
    logic unused;
    assign unused = &{load_i, step_q};
  end else begin : gen_kept
    logic [StepBits-1:0] w_addr;
    assign w_there = 1'b1;
    delay #(
      .Bits(StepBits), .Cycles(Fused)
    ) addr_level (
      .clk_i(clk_i), .en_i(go), .d_i(step_q), .q_o(w_addr)
    );
    rom #(
      .Bits(WWord), .Words(Steps), .Style(Style == 3 ? 0 : Style), .Latency(1 - Fused), .Load(Load), .File(WeightFile)
    ) weights (
      .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .addr_i(w_addr), .data_o(w_read), .load_i(load_i), .load_o(load)
    );
  end
  delay #(
    .Bits(WWord), .Cycles(Late)
  ) w_level (
    .clk_i(clk_i), .en_i(go), .d_i(w_read), .q_o(w)
  );
  delay #(
    .Bits(Simd * XBits), .Cycles(Late)
  ) x_level (
    .clk_i(clk_i), .en_i(go), .d_i(x_read), .q_o(x)
  );

  // ---- inner products --------------------------------------------------------------------------------------------
  logic [Pe-1:0][SumBits-1:0] sum;
  logic                       sum_valid, sum_first, sum_last;  // aligned with sum
  logic [PassBits-1:0]        start_pass;                      // one cycle ahead of sum, one more with Early

  delay #(
    .Bits(PassBits), .Cycles(1 + Late + TreeLatency - Early)
  ) pass_pipe (
    .clk_i(clk_i), .en_i(go), .d_i(pass_q), .q_o(start_pass)
  );
  delay #(
    .Bits(2), .Cycles(2 + Late + TreeLatency)
  ) place_pipe (
    .clk_i(clk_i), .en_i(go), .d_i({first_group, last_group}), .q_o({sum_first, sum_last})
  );
  valid_pipe #(
    .Cycles(2 + Late + TreeLatency)
  ) step_pipe (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .valid_i(step), .valid_o(sum_valid)
  );

  dots #(
    .Simd(Simd), .Rows(Pe), .XBits(XBits), .XKind(XKind), .WBits(WBits), .WKind(WKind), .Mult(Mult), .Fused(Fused),
    .Compared(32'(Compared))
  ) products (
    .clk_i(clk_i), .en_i(go), .x_i(x), .w_i(w), .sum_o(sum)
  );

  // ---- accumulators ----------------------------------------------------------------------------------------------
  localparam int unsigned StoreBits = Levels > 0 ? Pe * Levels * ThrBits : 1;
  logic [StoreBits-1:0]       limits;
  logic [Pe-1:0][AccBits-1:0] acc_q;
  logic                       acc_done;

  for (genvar p = 0; p < Pe; p++) begin : gen_acc
    logic signed [AccBits-1:0] start, held;
    if (Levels == 1) begin : gen_start
      assign start = AccBits'($signed(limits[p*ThrBits+:ThrBits]));
    end else begin : gen_start
      assign start = '0;
    end
    assign held = sum_first ? start : acc_q[p];
    always_ff @(posedge clk_i) if (go && sum_valid) acc_q[p] <= AccBits'($signed(sum[p])) + held;
  end
  valid_pipe #(
    .Cycles(1)
  ) done_pipe (
    .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .valid_i(sum_valid && sum_last), .valid_o(acc_done)
  );

  // ---- thresholds ------------------------------------------------------------------------------------------------
  logic                y_done;
  logic [Pe*YBits-1:0] y;

  if (Levels == 0) begin : gen_raw
    for (genvar p = 0; p < Pe; p++) begin : gen_y
      if (Counted) begin : gen_counted
        assign y[p*YBits+:YBits] = YBits'({acc_q[p], 1'b0}) - YBits'(Cols);
      end else begin : gen_sum
        assign y[p*YBits+:YBits] = YBits'(acc_q[p]);
      end
    end
    assign y_done = acc_done;
    assign limits = '0;
    assign load_o = load;
    logic unused;
    assign unused = &{limits, start_pass};
  end else if (Levels == 1) begin : gen_sign
    for (genvar p = 0; p < Pe; p++) begin : gen_y
      assign y[p*YBits+:YBits] = YBits'(Base) + YBits'(!acc_q[p][AccBits-1]);
    end
    assign y_done = acc_done;
    logic [StoreBits-1:0] starts_read;
    rom #(
      .Bits(StoreBits), .Words(Passes), .Load(Load), .File(ThreshFile)
    ) starts (
      .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .addr_i(start_pass), .data_o(starts_read), .load_i(load), .load_o(load_o)
    );
    delay #(
      .Bits(StoreBits), .Cycles(Early)
    ) starts_level (
      .clk_i(clk_i), .en_i(go), .d_i(starts_read), .q_o(limits)
    );
  end else begin : gen_stairs
    logic [PassBits-1:0] limit_pass;
    logic [Pe*YBits-1:0] y_q;
    always_ff @(posedge clk_i) if (go) limit_pass <= start_pass;
    rom #(
      .Bits(StoreBits), .Words(Passes), .Load(Load), .File(ThreshFile)
    ) stairs (
      .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .addr_i(limit_pass), .data_o(limits), .load_i(load), .load_o(load_o)
    );
    for (genvar p = 0; p < Pe; p++) begin : gen_y
      logic [Levels-1:0] reached;
      logic [YBits-1:0]  count;
      for (genvar k = 0; k < Levels; k++) begin : gen_level
        assign reached[k] = $signed(acc_q[p]) >= AccBits'($signed(limits[(p*Levels+k)*ThrBits+:ThrBits]));
      end
      always_comb begin
        count = YBits'(Base);
        for (int k = 0; k < Levels; k++) count += YBits'(reached[k]);
      end
      always_ff @(posedge clk_i) if (go) y_q[p*YBits+:YBits] <= count;
    end
    assign y = y_q;
    valid_pipe #(
      .Cycles(1)
    ) stairs_pipe (
      .clk_i(clk_i), .rst_ni(rst_ni), .en_i(go), .valid_i(acc_done), .valid_o(y_done)
    );
  end

  // ---- the buffer at the end -------------------------------------------------------------------------------------
  fifo #(
    .Bits(Pe * YBits), .Depth(2)
  ) buffer (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(y_done), .x_ready_o(go), .x_data_i(y),
    .y_valid_o(y_valid_o), .y_ready_i(y_ready_i), .y_data_o(y_data_o)
  );
endmodule
