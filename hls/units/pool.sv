// pool - the largest or the sum of every tile of an image, in accumulators, without storing pixels.
//
//   y[p, q, c] = max or sum over i < KernelH, j < KernelW of x[p*KernelH + i, q*KernelW + j, c]
//
// Rows and columns that fill no tile are dropped. Where Minimum (or a channel's bit in MinimumFile) is 1 the least is
// taken. A word holds Pe channels of a pixel, or all the channels of several pixels: whole rows of tiles, of which y has
// as many pixels a word, or a part of one. Every row begins with a word of its own; what lies in its last word beyond it
// means nothing. A memory holds one accumulator word for each word of a row of y. The accumulator of the next word is
// fetched while this one is worked on, and handed over directly where both are the same.
// Timing: a word of x a cycle; a result leaves 1 cycle after its last pixel came.
module pool #(
  parameter int unsigned Height   = 4,
  parameter int unsigned Width    = 4,
  parameter int unsigned Channels = 1,
  parameter int unsigned Pe       = 1,  // elements a word of x: divides Channels, or so many whole pixels
  parameter int unsigned KernelH  = 2,
  parameter int unsigned KernelW  = 2,
  parameter int unsigned XBits    = 1,  // bits of an element of x
  parameter int unsigned XKind    = 0,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned YBits    = 1,  // bits of an element of y; XBits unless Sum
  parameter int unsigned Sum      = 0,  // 1: the sum, two's complement where it can be negative
  parameter int unsigned Minimum  = 0,
  parameter              MinimumFile = "", // instead of Minimum: a bit for each channel, the words of a pixel
  localparam int unsigned Pixels = Pe > Channels ? Pe / Channels : 1,
  localparam int unsigned Tiles  = Pixels > KernelW ? Pixels / KernelW : 1,  // of a word, which is pixels of y
  localparam int unsigned Lanes  = Pe > Channels ? Channels : Pe             // of a pixel
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                x_valid_i,
  output logic                x_ready_o,
  input  logic [Pe*XBits-1:0] x_data_i,
  output logic                y_valid_o,
  input  logic                y_ready_i,
  output logic [Tiles*Lanes*YBits-1:0] y_data_o
);
  localparam int unsigned Blocks = Channels / Lanes;    // words of a pixel
  localparam int unsigned Taps = Pixels / Tiles;        // pixels of a tile in a word
  localparam int unsigned Kw = KernelW / Taps;          // words of a tile's row
  localparam int unsigned Word = Tiles * Lanes * YBits;
  localparam int unsigned OutH = Height / KernelH;
  localparam int unsigned OutW = (Width / KernelW + Tiles - 1) / Tiles;  // words of a row of y
  localparam int unsigned SpareH = Height % KernelH; // rows that fill no tile
  localparam int unsigned SpareW = (Width + Pixels - 1) / Pixels - OutW * Kw;  // words that fill none
  localparam int unsigned Entries = KernelH > 1 ? OutW * Blocks : Blocks;

  if (Channels % Lanes != 0 || Pe != Pixels * Lanes) begin : gen_bad_pe
    $error("pool: Pe=%0d does not divide Channels=%0d", Pe, Channels);
  end
  if (Tiles * Taps != Pixels || (Pixels > KernelW ? Taps != KernelW : Kw * Taps != KernelW)) begin : gen_bad_pixels
    $error("pool: %0d pixels a word do not make tiles of %0d columns", Pixels, KernelW);
  end
  if (OutH == 0 || OutW == 0) begin : gen_bad_kernel
    $error("pool: a tile of %0d x %0d exceeds the image", KernelH, KernelW);
  end

  // ---- where the words lie: block of the pixel, pixel of the tile, tile of the image --------------------------------
  localparam int unsigned BBits = Blocks > 1 ? $clog2(Blocks) : 1;
  localparam int unsigned IBits = KernelH > 1 ? $clog2(KernelH) : 1;
  localparam int unsigned JBits = Kw > 1 ? $clog2(Kw) : 1;
  localparam int unsigned PBits = $clog2(OutH + 1);
  localparam int unsigned QBits = $clog2(OutW + 1);
  localparam int unsigned Across = OutW * Kw + SpareW;  // words of a row of one block
  // what the second word of an image moves on: its block, its column in the tile, or its tile
  localparam bit MovesB = Blocks > 1;
  localparam bit MovesJ = Blocks == 1 && Across > 1 && Kw > 1;
  localparam bit MovesQ = Blocks == 1 && Across > 1 && Kw == 1;

  // Columns are counted a word ahead, so that the next accumulator's address is a register.
  logic [BBits-1:0] b_q;
  logic [JBits-1:0] j_q;
  logic [QBits-1:0] q_q;
  logic last_b, last_j, last_col;  // of the next word
  assign last_b = b_q == BBits'(Blocks - 1);
  assign last_j = j_q == JBits'(Kw - 1);
  assign last_col = SpareW == 0 ? last_j && q_q == QBits'(OutW - 1)
                                : q_q == QBits'(OutW) && j_q == JBits'(SpareW - 1);

  // of this word
  logic [BBits-1:0] block_q;
  logic left_q, right_q, beyond_q, ends_q;  // it begins or ends a tile, lies beyond the last one, ends a row
  logic [IBits-1:0] i_q;
  logic [PBits-1:0] p_q;  // OutH in the rows that fill no tile
  logic last_i, last_row, spare, first, last;
  assign last_i = i_q == IBits'(KernelH - 1);
  assign last_row = SpareH == 0 ? last_i && p_q == PBits'(OutH - 1)
                                : p_q == PBits'(OutH) && i_q == IBits'(SpareH - 1);
  assign spare = (SpareH != 0 && p_q == PBits'(OutH)) || beyond_q;
  assign first = i_q == '0 && left_q;
  assign last  = last_i && right_q && !spare;

  logic step;
  assign x_ready_o = !last || !y_valid_o || y_ready_i;
  assign step = x_valid_i && x_ready_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      b_q      <= BBits'(MovesB);
      j_q      <= JBits'(MovesJ);
      q_q      <= QBits'(MovesQ);
      block_q  <= '0;
      left_q   <= 1'b1;
      right_q  <= Kw == 1;
      beyond_q <= 1'b0;
      ends_q   <= Across * Blocks == 1;
      {i_q, p_q} <= '0;
    end else if (step) begin
      b_q <= last_b ? '0 : b_q + 1'b1;
      if (last_b) begin
        j_q <= last_j || last_col ? '0 : j_q + 1'b1;
        if (last_col) q_q <= '0;
        else if (last_j) q_q <= q_q + 1'b1;
      end
      block_q  <= b_q;
      left_q   <= j_q == '0;
      right_q  <= last_j;
      beyond_q <= SpareW != 0 && q_q == QBits'(OutW);
      ends_q   <= last_b && last_col;
      if (ends_q) begin
        i_q <= last_i || last_row ? '0 : i_q + 1'b1;
        if (last_row) p_q <= '0;
        else if (last_i) p_q <= p_q + 1'b1;
      end
    end
  end

  // ---- accumulators ------------------------------------------------------------------------------------------------
  logic [Word-1:0] old_word, new_word;
  if (Entries == 1) begin : gen_register
    logic [Word-1:0] new_q;
    always_ff @(posedge clk_i) if (step && !spare) new_q <= new_word;
    assign old_word = new_q;
  end else begin : gen_memory
    localparam int unsigned ABits = $clog2(Entries);
    logic [ABits-1:0] this_q, addr_q, addr_d;  // of this word, of the next one, of the one behind it
    always_comb begin
      if (!last_b) addr_d = addr_q + 1'b1;
      else if (KernelH == 1 || last_col) addr_d = '0;
      else if (!last_j) addr_d = addr_q - ABits'(Blocks - 1);
      else addr_d = addr_q == ABits'(Entries - 1) ? '0 : addr_q + 1'b1;
    end

    // A word that counts is never read while it is written.
    logic [Word-1:0] fetched, new_q;
    logic same_q;
    ram #(.Bits(Word), .Words(Entries)) accumulators (
      .clk_i(clk_i), .put_i(step && !spare), .put_addr_i(this_q), .put_data_i(new_word),
      .get_i(step), .get_addr_i(addr_q), .get_data_o(fetched)
    );
    always_ff @(posedge clk_i) begin
      if (step) begin
        same_q <= addr_q == this_q && !spare;
        new_q  <= new_word;
      end
    end
    // With more than one word a pixel, two words in a row never share an accumulator.
    assign old_word = Blocks == 1 && same_q ? new_q : fetched;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        this_q <= '0;
        addr_q <= ABits'(MovesB || MovesQ);
      end else if (step) begin
        this_q <= addr_q;
        addr_q <= addr_d;
      end
    end
  end

  // The pixels of a tile in a word, one after the other.
  for (genvar t = 0; t < Tiles; t++) begin : gen_tile
    localparam int unsigned Tile = Lanes * YBits;
    logic [(Taps+1)*Tile-1:0] so_far;
    assign so_far[0+:Tile] = old_word[t*Tile+:Tile];
    assign new_word[t*Tile+:Tile] = so_far[Taps*Tile+:Tile];
    for (genvar k = 0; k < Taps; k++) begin : gen_pixel
      pool_step #(
        .Pe(Lanes), .Blocks(Blocks), .XBits(XBits), .XKind(XKind), .YBits(YBits), .Sum(Sum), .Minimum(Minimum),
        .MinimumFile(MinimumFile)
      ) lanes (
        .first_i(k == 0 && first), .block_i(block_q), .x_i(x_data_i[(t*Taps+k)*Lanes*XBits+:Lanes*XBits]),
        .old_i(so_far[k*Tile+:Tile]), .new_o(so_far[(k+1)*Tile+:Tile])
      );
    end
  end

  // ---- result ------------------------------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin
    if (!rst_ni) y_valid_o <= 1'b0;
    else y_valid_o <= (step && last) || (y_valid_o && !y_ready_i);
    if (step && last) y_data_o <= new_word;
  end
endmodule
