// topk - the indices of the K largest of Size values, largest first; of equal values the lowest index first.
//
// Each of the Simd lanes keeps the largest of the values that came to it. When a vector is through, the heads of all lanes
// meet in a tournament, once for every index, and the lane that won moves up.
//
// Timing: one word of Simd values a cycle; the first index leaves one cycle after the last word, then one a cycle
// while the next vector comes in.

module topk #(
  parameter int unsigned Size  = 10,
  parameter int unsigned Simd  = 1,  // values of one word, divides Size
  parameter int unsigned K     = 1,
  parameter int unsigned XBits = 8,
  parameter int unsigned XKind = 2,  // 0 bipolar, 1 unsigned, 2 two's complement
  parameter int unsigned YBits = 4   // an index
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  x_valid_i,
  output logic                  x_ready_o,
  input  logic [Simd*XBits-1:0] x_data_i,
  output logic                  y_valid_o,
  input  logic                  y_ready_i,
  output logic [YBits-1:0]      y_data_o
);
  localparam int unsigned Words = Size / Simd;
  localparam int unsigned WordBits = Words > 1 ? $clog2(Words) : 1;
  localparam int unsigned LeftBits = $clog2(K + 1);

  if (Size % Simd != 0) begin : check_1
    $error("topk: Simd=%0d does not divide Size=%0d", Simd, Size);
  end

  // An entry is, from its low bits: the index of the first value of its word with all bits turned, and the value, offset so
  // that unsigned order is the order of the values. The largest is the next to leave, the lowest lane of equal ones.
  localparam int unsigned EntryBits = YBits + XBits;
  localparam int unsigned LaneBits = Simd > 1 ? $clog2(Simd) : 1;
  localparam int unsigned Kept = K < Words ? K : Words;  // entries of a lane

  logic [LeftBits-1:0] left_q;
  logic [WordBits-1:0] word_q;
  logic [YBits-1:0]    first_q;  // index of the first value of the word
  logic [YBits-1:0]    turned;
  logic                last, out_free, x_moves, y_moves;

  assign turned    = Words > 1 ? ~first_q : '1;
  assign last      = word_q == WordBits'(Words - 1);
  assign out_free  = left_q == '0 || (left_q == LeftBits'(1) && y_ready_i);
  assign x_ready_o = !last || out_free;
  assign y_valid_o = left_q != '0;
  assign x_moves   = x_valid_i && x_ready_o;
  assign y_moves   = y_valid_o && y_ready_i;

  // The heads of the lanes, above them a bit that is 1 where there is one; each with its lane below it.
  logic [Simd-1:0][EntryBits:0] head;
  logic [Simd-1:0][EntryBits+LaneBits:0] winner;
  always_comb begin
    for (int unsigned i = 0; i < Simd; i++) winner[i] = {head[i], LaneBits'(i)};
    for (int unsigned step = 1; step < Simd; step = 2 * step) begin
      for (int unsigned i = 0; i + step < Simd; i = i + 2 * step) begin
        if (winner[i+step][LaneBits+:EntryBits+1] > winner[i][LaneBits+:EntryBits+1]) winner[i] = winner[i+step];
      end
    end
  end
  assign y_data_o = ~winner[0][LaneBits+:YBits] + YBits'(winner[0][LaneBits-1:0]);

  for (genvar i = 0; i < Simd; i++) begin : gen_lane
    logic [Kept*EntryBits-1:0] best_q, best_d, out_q;
    logic [EntryBits-1:0]      newcomer, held, moved;
    logic [Kept-1:0]           there_q;
    logic                      placed;  // from there on everything moves down one place
    always_comb begin
      newcomer = {x_data_i[i*XBits+:XBits], turned};
      if (XKind == 2) newcomer[EntryBits-1] = !newcomer[EntryBits-1];
      best_d = best_q;
      held   = '0;
      moved  = newcomer;
      placed = 1'b0;
      for (int unsigned k = 0; k < Kept; k++) begin
        held   = best_q[k*EntryBits+:EntryBits];
        placed = placed || word_q <= WordBits'(k) || newcomer[EntryBits-1:YBits] > held[EntryBits-1:YBits];
        if (placed) begin
          best_d[k*EntryBits+:EntryBits] = moved;
          moved = held;
        end
      end
    end

    // a lane that keeps as many as leave never runs out
    assign head[i] = {Kept == K || there_q[0], out_q[EntryBits-1:0]};
    always_ff @(posedge clk_i) begin
      if (x_moves) best_q <= best_d;
      if (x_moves && last) begin
        out_q   <= best_d;
        there_q <= '1;
      end else if (y_moves && winner[0][LaneBits-1:0] == LaneBits'(i)) begin
        out_q   <= out_q >> EntryBits;
        there_q <= there_q >> 1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      word_q  <= '0;
      first_q <= '0;
      left_q  <= '0;
    end else begin
      if (y_moves) left_q <= left_q - 1'b1;
      if (x_moves) begin
        word_q  <= last ? '0 : word_q + 1'b1;
        first_q <= last ? '0 : first_q + YBits'(Simd);
        if (last) left_q <= LeftBits'(K);
      end
    end
  end
endmodule
