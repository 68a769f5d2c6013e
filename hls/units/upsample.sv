// upsample - every pixel repeated in both directions.
//
//   y[p, q, c] = x[p / FactorH, q / FactorW, c]
//
// A word of y holds Pe channels of a pixel, or all the channels of several: of so many repeats of one pixel, or of all
// the repeats of several, which are a word of x. Then every row begins with a word of its own, and what lies in its last
// word beyond it means nothing. A ring of Depth words holds the row that is being repeated (one pixel where rows do not
// repeat; words of several pixels count as one) and at least one more pixel that comes meanwhile. Credits say how far
// writer and reader may go.
// Timing: one cycle a word of y; the first word leaves 1 cycle after the last word of its pixel came. x_ready_o comes
// from a register.
module upsample #(
  parameter int unsigned Width    = 4,
  parameter int unsigned Channels = 1,
  parameter int unsigned Pe       = 1,  // elements a word of y: divides Channels, or so many whole pixels
  parameter int unsigned Bits     = 1,  // bits of an element
  parameter int unsigned FactorH  = 2,
  parameter int unsigned FactorW  = 2,
  parameter int unsigned Depth    = 5,  // (FactorH > 1 ? Width : 1) + 1 pixels or more
  localparam int unsigned Pixels = Pe > Channels ? Pe / Channels : 1,
  localparam int unsigned Taken  = Pixels > FactorW ? Pixels / FactorW : 1,  // pixels of a word of x
  localparam int unsigned Lanes  = Pe > Channels ? Channels : Pe,            // of a pixel
  localparam int unsigned XPe    = Taken * Lanes
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               x_valid_i,
  output logic               x_ready_o,
  input  logic [XPe*Bits-1:0] x_data_i,
  output logic               y_valid_o,
  input  logic               y_ready_i,
  output logic [Pe*Bits-1:0] y_data_o
);
  localparam int unsigned Blocks = Channels / Lanes;
  localparam int unsigned Copies = Pixels / Taken;     // of each pixel in a word of y
  localparam int unsigned Repeats = FactorW / Copies;  // words of a row of y that a word of x becomes
  localparam int unsigned Across = (Width + Taken - 1) / Taken;
  localparam int unsigned Line = Across * Blocks;

  if (Channels % Lanes != 0 || Pe != Pixels * Lanes || Pixels != Taken * Copies || FactorW != Repeats * Copies) begin : gen_bad_pe
    $error("upsample: Pe=%0d does not divide Channels=%0d, nor is it made of %0d repeats", Pe, Channels, FactorW);
  end
  if (Depth < Blocks * ((FactorH > 1 ? Across : 1) + 1)) begin : gen_bad_depth
    $error("upsample: Depth=%0d words hold no row and a pixel", Depth);
  end

  // ---- block of the pixel, repeat of the pixel, pixel of the row, repeat of the row --------------------------------
  localparam int unsigned BBits = Blocks > 1 ? $clog2(Blocks) : 1;
  localparam int unsigned JBits = Repeats > 1 ? $clog2(Repeats) : 1;
  localparam int unsigned QBits = Across > 1 ? $clog2(Across) : 1;
  localparam int unsigned IBits = FactorH > 1 ? $clog2(FactorH) : 1;
  logic [BBits-1:0] b_q;
  logic [JBits-1:0] j_q;
  logic [QBits-1:0] q_q;
  logic [IBits-1:0] i_q;
  logic go, last_b, last_j, last_q, last_i;
  assign last_b = b_q == BBits'(Blocks - 1);
  assign last_j = j_q == JBits'(Repeats - 1);
  assign last_q = q_q == QBits'(Across - 1);
  assign last_i = i_q == IBits'(FactorH - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {b_q, j_q, q_q, i_q} <= '0;
    end else if (go) begin
      b_q <= last_b ? '0 : b_q + 1'b1;
      if (last_b) j_q <= last_j ? '0 : j_q + 1'b1;
      if (last_b && last_j) q_q <= last_q ? '0 : q_q + 1'b1;
      if (last_b && last_j && last_q) i_q <= last_i ? '0 : i_q + 1'b1;
    end
  end

  // ---- addresses ---------------------------------------------------------------------------------------------------
  localparam int unsigned ABits = $clog2(Depth);
  localparam logic [ABits-1:0] TurnPixel = ABits'(Depth + 1 - Blocks);  // back to the pixel's first word
  localparam logic [ABits-1:0] TurnRow = ABits'(FactorH > 1 ? Depth + 1 - Line : 1);  // back to the row's
  logic write;
  logic [ABits-1:0] write_q, read_q, turn_by;
  logic [ABits:0] turned;
  always_comb begin
    turn_by = ABits'(1);
    if (last_b && !last_j) turn_by = Blocks == 1 ? '0 : TurnPixel;
    if (last_b && last_j && last_q && !last_i) turn_by = TurnRow;
  end
  assign turned = {1'b0, read_q} + {1'b0, turn_by};
  assign write = x_valid_i && x_ready_o;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= '0;
    end else begin
      if (write) write_q <= write_q == ABits'(Depth - 1) ? '0 : write_q + 1'b1;
      if (go) read_q <= turned >= (ABits+1)'(Depth) ? ABits'(turned - (ABits+1)'(Depth)) : ABits'(turned);
    end
  end

  // ---- credits -----------------------------------------------------------------------------------------------------
  localparam int unsigned CBits = $clog2(Depth + Blocks + 1) + 1;
  typedef logic signed [CBits-1:0] credit_t;
  logic pixel_done, fresh;
  assign pixel_done = go && last_b && last_j;
  // the next pixel is read for the first time: in the row's first pass, or where its last pass ends
  assign fresh = last_q ? last_i : i_q == '0;
  logic ready;  // every word of the pixel has come
  credits #(.Bits(CBits), .Need(Blocks), .Room(Depth)) credit (
    .clk_i(clk_i), .rst_ni(rst_ni), .write_i(write),
    .move_i(pixel_done), .needed_i(fresh ? -credit_t'(Blocks) : '0), .freed_i(last_i ? -credit_t'(Blocks) : '0),
    .ready_o(ready), .room_o(x_ready_o)
  );
  assign go = ready && (!y_valid_o || y_ready_i);

  // A word that counts is never read while it is written.
  logic [XPe*Bits-1:0] word;
  ram #(.Bits(XPe * Bits), .Words(Depth)) ring (
    .clk_i(clk_i), .put_i(write), .put_addr_i(write_q), .put_data_i(x_data_i),
    .get_i(go), .get_addr_i(read_q), .get_data_o(word)
  );
  for (genvar p = 0; p < Pixels; p++) begin : gen_pixel
    assign y_data_o[p*Lanes*Bits+:Lanes*Bits] = word[p/Copies*Lanes*Bits+:Lanes*Bits];
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) y_valid_o <= 1'b0;
    else y_valid_o <= go || (y_valid_o && !y_ready_i);
  end
endmodule
