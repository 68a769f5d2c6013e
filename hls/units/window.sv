// window - every patch of an image that a convolution or a padded pool looks at, one after another.
//
//   y[p, q, i, j, c] = x[p*StrideH + i*DilationH - PadTop, q*StrideW + j*DilationW - PadLeft, c]
//                      or the padding where that lies outside the image
//
// A word holds Simd channels. Depthwise 0 gives the taps of a window in the order i, j, c (c fastest); Depthwise 1
// gives blocks of Simd channels, each with its taps i, j. With Simd = KernelW * Channels a word of x is a pixel and a
// word of y a row of taps; the ring then has a bank for each column of the kernel. Elements leave in YBits: wider than
// they came where the padding is no value of x, so that -1/+1 data padded with 0 leaves as {00: 0, 01: +1, 11: -1}.
//
// Rows lie in a ring of Depth words. Word n of the image (and of all images after it) lies at n mod Depth, padding
// has addresses too, so one adder walks all taps of all windows. Credits say how far writer and reader may go: a tap is
// read when every word of its window has come, a word is taken when it overwrites no tap of the current window.
// Timing: max(words in, words out) cycles an image when Depth is what hwflow/units/window.py computes; the first
// word leaves 1 cycle after the last tap of its window came, 2 with Style 2: a block RAM is slow, so a register stands
// behind it, which the block itself has where the family offers that. x_ready_o comes from a register.
module window #(
  parameter int unsigned Height    = 4,
  parameter int unsigned Width     = 4,
  parameter int unsigned Channels  = 1,
  parameter int unsigned Simd      = 1,  // elements a word of y: divides Channels, or KernelW * Channels
  parameter int unsigned KernelH   = 3,
  parameter int unsigned KernelW   = 3,
  parameter int unsigned StrideH   = 1,
  parameter int unsigned StrideW   = 1,
  parameter int unsigned DilationH = 1,
  parameter int unsigned DilationW = 1,
  parameter int unsigned PadTop    = 0,  // each padding is less than the kernel's span
  parameter int unsigned PadLeft   = 0,
  parameter int unsigned PadBottom = 0,
  parameter int unsigned PadRight  = 0,
  parameter int unsigned XBits     = 1,  // bits of an element of x
  parameter int unsigned XKind     = 0,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned YBits     = 1,  // bits of an element of y
  parameter int unsigned Depthwise = 0,
  parameter int unsigned Depth     = 16, // words of the ring
  parameter int unsigned Style     = 0,  // of the ring: 0 the tool's choice, 1 LUT RAM, 2 block RAM
  parameter int unsigned Pad       = 0,  // code of the padding, YBits wide
  parameter              PadFile   = "", // instead of Pad: the codes of each block of channels a word
  localparam int unsigned Lanes = Simd > Channels ? Simd / Channels : 1,  // taps a word
  localparam int unsigned Par   = Simd / Lanes                            // channels a word
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  x_valid_i,
  output logic                  x_ready_o,
  input  logic [Par*XBits-1:0]  x_data_i,
  output logic                  y_valid_o,
  input  logic                  y_ready_i,
  output logic [Simd*YBits-1:0] y_data_o
);
  // Signed copies: what lies before the image has negative positions.
  localparam int H = Height;
  localparam int W = Width;
  localparam int Sh = StrideH;
  localparam int Sw = StrideW;
  localparam int Blocks = Channels / Par;               // words of a pixel
  localparam int SpanH = (KernelH - 1) * DilationH + 1; // rows from the first to the last tap
  localparam int SpanW = (KernelW - 1) * DilationW + 1;
  localparam int LastJ = (KernelW / Lanes - 1) * DilationW;  // columns from a row's first word of taps to its last
  localparam int Top = PadTop;
  localparam int Left = PadLeft;
  localparam int OutH = (H + Top + PadBottom - SpanH) / Sh + 1;
  localparam int OutW = (W + Left + PadRight - SpanW) / Sw + 1;
  localparam int Line = W * Blocks;
  localparam int Image = H * Line;
  localparam int Ring = Depth;
  localparam int Banks = Lanes;
  localparam int unsigned Late = Style == 2 ? 1 : 0;

  if (Channels % Par != 0 || (Lanes > 1 && (Simd != KernelW * Channels || DilationW != 1 || Depthwise != 0))) begin : gen_bad_simd
    $error("window: Simd=%0d neither divides Channels=%0d nor is a row of taps", Simd, Channels);
  end
  if (Depth % Lanes != 0) begin : gen_bad_depth
    $error("window: %0d banks do not divide Depth=%0d", Lanes, Depth);
  end
  if (PadTop >= SpanH || PadBottom >= SpanH || PadLeft >= SpanW || PadRight >= SpanW) begin : gen_bad_pads
    $error("window: padding must be less than the span %0d x %0d", SpanH, SpanW);
  end

  // ---- the taps of a window, the windows of an image -------------------------------------------------------------
  localparam int unsigned BBits = Blocks > 1 ? $clog2(Blocks) : 1;
  localparam int unsigned IBits = KernelH > 1 ? $clog2(KernelH) : 1;
  localparam int unsigned JBits = KernelW > Lanes ? $clog2(KernelW / Lanes) : 1;
  localparam int unsigned PBits = OutH > 1 ? $clog2(OutH) : 1;
  localparam int unsigned QBits = OutW > 1 ? $clog2(OutW) : 1;

  logic [BBits-1:0] b_q;
  logic [IBits-1:0] i_q;
  logic [JBits-1:0] j_q;
  logic [PBits-1:0] p_q;
  logic [QBits-1:0] q_q;
  logic last_b, last_i, last_j, last_p, last_q;
  assign last_b = b_q == BBits'(Blocks - 1);
  assign last_i = i_q == IBits'(KernelH - 1);
  assign last_j = j_q == JBits'(KernelW / Lanes - 1);
  assign last_p = p_q == PBits'(OutH - 1);
  assign last_q = q_q == QBits'(OutW - 1);

  logic go;                          // one tap is read
  logic next_b, next_j, next_i, next_window; // which counters that tap moves
  logic second_last;                 // the tap after this one is the window's last
  if (Depthwise != 0) begin : gen_blocks_outside
    assign next_j = 1'b1;
    assign next_i = last_j;
    assign next_b = next_i && last_i;
    assign second_last = KernelW > Lanes ? j_q == JBits'(KernelW / Lanes - 2) && last_i && last_b
                       : KernelH > 1 ? i_q == IBits'(KernelH - 2) && last_b : b_q == BBits'(Blocks - 2);
  end else begin : gen_blocks_inside
    assign next_b = 1'b1;
    assign next_j = last_b;
    assign next_i = next_j && last_j;
    assign second_last = Blocks > 1 ? b_q == BBits'(Blocks - 2) && last_j && last_i
                       : KernelW > Lanes ? j_q == JBits'(KernelW / Lanes - 2) && last_i : i_q == IBits'(KernelH - 2);
  end

  // Where a window ends is known one tap before: go comes late, and much hangs on the two together.
  localparam bit OneTap = Blocks * (KernelW / Lanes) * KernelH == 1;
  if (OneTap) begin : gen_one_tap
    assign next_window = 1'b1;
    logic unused;
    assign unused = second_last;
  end else begin : gen_taps
    logic last_tap_q;
    assign next_window = last_tap_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) last_tap_q <= 1'b0;
      else if (go) last_tap_q <= second_last;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {b_q, i_q, j_q, p_q, q_q} <= '0;
    end else if (go) begin
      if (next_b) b_q <= last_b ? '0 : b_q + 1'b1;
      if (next_j) j_q <= last_j ? '0 : j_q + 1'b1;
      if (next_i) i_q <= last_i ? '0 : i_q + 1'b1;
      if (next_window) q_q <= last_q ? '0 : q_q + 1'b1;
      if (next_window && last_q) p_q <= last_p ? '0 : p_q + 1'b1;
    end
  end

  // ---- how far the window moves, in words --------------------------------------------------------------------------
  localparam int MoveQ = Sw * Blocks;
  localparam int MoveP = Sh * Line - (OutW - 1) * MoveQ;
  localparam int MoveN = Image - (OutH - 1) * Sh * Line - (OutW - 1) * MoveQ;
  localparam int StepI = DilationH * Line;
  localparam int StepJ = DilationW * Blocks;
  localparam int LastTap = (SpanH - 1) * Line + LastJ * Blocks + Blocks - 1;

  // ---- addresses ---------------------------------------------------------------------------------------------------
  // Word n lies in bank n % Lanes at n / Lanes, so that Lanes neighbours can be read at once.
  localparam int unsigned Deep = Depth / Lanes;
  localparam int unsigned DBits = Deep > 1 ? $clog2(Deep) : 1;
  localparam int unsigned LBits = Lanes > 1 ? $clog2(Lanes) : 1;
  localparam int unsigned ABits = DBits + LBits;

  // A distance on the ring, 0 .. Depth-1, as addresses (high) and banks (low).
  function automatic logic [ABits-1:0] turn(input int words);
    int place;
    place = ((words % Ring) + Ring) % Ring;
    turn = {DBits'(place / Banks), LBits'(place % Banks)};
  endfunction

  localparam logic [ABits-1:0] TurnFirst = turn(-Top * Line - Left * Blocks);
  localparam logic [ABits-1:0] TurnQ = turn(MoveQ - LastTap);
  localparam logic [ABits-1:0] TurnP = turn(MoveP - LastTap);
  localparam logic [ABits-1:0] TurnN = turn(MoveN - LastTap);
  localparam logic [ABits-1:0] TurnB =
      turn(Depthwise != 0 ? 1 - (SpanH - 1) * Line - LastJ * Blocks : 1);
  localparam logic [ABits-1:0] TurnJ = turn(Depthwise != 0 ? StepJ : StepJ - Blocks + 1);
  localparam logic [ABits-1:0] TurnI =
      turn(StepI - LastJ * Blocks - (Depthwise != 0 ? 0 : Blocks - 1));

  logic [ABits-1:0] turn_by;
  always_comb begin
    if (next_window) turn_by = !last_q ? TurnQ : !last_p ? TurnP : TurnN;
    else if (Depthwise != 0) turn_by = next_b ? TurnB : next_i ? TurnI : TurnJ;
    else turn_by = next_i ? TurnI : next_j ? TurnJ : TurnB;
  end

  logic write;
  assign write = x_valid_i && x_ready_o;

  // ---- credits -----------------------------------------------------------------------------------------------------
  // The last row and column that window (p, q) needs grow by the stride until they meet the image's edge: by a full
  // stride up to FullP, FullQ (-1: they lie at the edge from the start), by the rest once, then by nothing.
  localparam int FullQ = W + Left >= SpanW ? (W + Left - SpanW) / Sw : -1;
  localparam int FullP = H + Top >= SpanH ? (H + Top - SpanH) / Sh : -1;
  localparam int EdgeQ = FullQ >= 0 ? W - SpanW + Left - FullQ * Sw : 0;
  localparam int EdgeP = FullP >= 0 ? H - SpanH + Top - FullP * Sh : 0;
  localparam int ColFirst = FullQ >= 0 ? SpanW - 1 - Left : W - 1;
  localparam int RowFirst = FullP >= 0 ? SpanH - 1 - Top : H - 1;
  localparam int ColLast = FullQ >= OutW - 1 ? (OutW - 1) * Sw + SpanW - 1 - Left : W - 1;
  localparam int RowLast = FullP >= OutH - 1 ? (OutH - 1) * Sh + SpanH - 1 - Top : H - 1;
  localparam int NeedFirst = RowFirst * Line + (ColFirst + 1) * Blocks;
  localparam int NeedBack = (ColFirst - ColLast) * Blocks;
  localparam int NeedNext = Image + (RowFirst - RowLast) * Line + NeedBack;

  localparam int unsigned CBits = $clog2(Depth + 2 * Image + Top * Line + Left * Blocks + 2) + 1;
  typedef logic signed [CBits-1:0] credit_t;

  logic full_p, full_q, edge_p, edge_q;
  image_edge #(.Full(FullQ), .Windows(OutW), .Bits(QBits)) edge_of_row (
    .at_i(q_q), .full_o(full_q), .edge_o(edge_q)
  );
  image_edge #(.Full(FullP), .Windows(OutH), .Bits(PBits)) edge_of_image (
    .at_i(p_q), .full_o(full_p), .edge_o(edge_p)
  );

  credit_t needed_d, freed_d, needed, freed;  // see credits
  always_comb begin
    if (!last_q) begin
      needed_d = full_q ? -credit_t'(MoveQ) : edge_q ? -credit_t'(EdgeQ * Blocks) : '0;
      freed_d  = -credit_t'(MoveQ);
    end else if (!last_p) begin
      needed_d = full_p ? -credit_t'(Sh * Line + NeedBack)
               : edge_p ? -credit_t'(EdgeP * Line + NeedBack) : -credit_t'(NeedBack);
      freed_d  = -credit_t'(MoveP);
    end else begin
      needed_d = -credit_t'(NeedNext);
      freed_d  = -credit_t'(MoveN);
    end
  end
  // a window of several taps leaves a cycle to look where it is
  delay #(
    .Bits(2 * CBits), .Cycles(OneTap ? 0 : 1)
  ) amounts (
    .clk_i(clk_i), .en_i(1'b1), .d_i({needed_d, freed_d}), .q_o({needed, freed})
  );

  logic ready;  // every word of the current window has come
  credits #(.Bits(CBits), .Need(NeedFirst), .Room(Ring - Top * Line - Left * Blocks)) credit (
    .clk_i(clk_i), .rst_ni(rst_ni), .write_i(write), .move_i(go && next_window), .needed_i(needed), .freed_i(freed),
    .ready_o(ready), .room_o(x_ready_o)
  );
  logic fetched_valid, fetched_ready;  // of the words that have left the ring
  assign go = ready && (!fetched_valid || fetched_ready);

  // ---- the ring ----------------------------------------------------------------------------------------------------
  // A word that counts is never read while it is written.

  // the place of the word that comes, and of the first one that is read: bank, and address in it
  logic [LBits-1:0] write_bank, read_bank;
  logic [DBits-1:0] write_q, read_q;
  logic wrap_write, wrap_read;  // the bank after the last one is the first, one address on
  logic [DBits:0] turned;
  assign turned = {1'b0, read_q} + {1'b0, turn_by[ABits-1:LBits]} + {{DBits{1'b0}}, wrap_read};
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= TurnFirst[ABits-1:LBits];
    end else begin
      if (write && wrap_write) write_q <= write_q == DBits'(Deep - 1) ? '0 : write_q + 1'b1;
      if (go) read_q <= turned >= (DBits+1)'(Deep) ? DBits'(turned - (DBits+1)'(Deep)) : DBits'(turned);
    end
  end

  if (Lanes == 1) begin : gen_one_bank
    assign {write_bank, read_bank} = '0;
    assign {wrap_write, wrap_read} = 2'b10;
    logic unused;
    assign unused = turn_by[0] ^ read_bank[0];
  end else begin : gen_banks
    logic [LBits-1:0] write_bank_q, read_bank_q;
    logic [LBits:0] banked;
    assign banked = {1'b0, read_bank_q} + {1'b0, turn_by[LBits-1:0]};
    assign wrap_write = write_bank_q == LBits'(Lanes - 1);
    assign wrap_read = banked >= (LBits+1)'(Lanes);
    assign write_bank = write_bank_q;
    assign read_bank = read_bank_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        write_bank_q <= '0;
        read_bank_q  <= TurnFirst[LBits-1:0];
      end else begin
        if (write) write_bank_q <= wrap_write ? '0 : write_bank_q + 1'b1;
        if (go) read_bank_q <= wrap_read ? LBits'(banked - (LBits+1)'(Lanes)) : LBits'(banked);
      end
    end
  end

  logic [Lanes*Par*XBits-1:0] banks, banks_read, word;
  for (genvar k = 0; k < Lanes; k++) begin : gen_bank
    logic [DBits-1:0] addr;
    if (k == Lanes - 1) begin : gen_last
      assign addr = read_q;  // no word begins beyond it
    end else begin : gen_before
      assign addr = LBits'(k) >= read_bank ? read_q : read_q == DBits'(Deep - 1) ? '0 : read_q + 1'b1;
    end
    ram #(.Bits(Par * XBits), .Words(Deep), .Style(Style)) ring (
      .clk_i(clk_i), .put_i(write && write_bank == LBits'(k)), .put_addr_i(write_q), .put_data_i(x_data_i),
      .get_i(go), .get_addr_i(addr), .get_data_o(banks_read[k*Par*XBits+:Par*XBits])
    );
  end
  delay #(
    .Bits(Lanes * Par * XBits), .Cycles(Late)
  ) banks_level (
    .clk_i(clk_i), .en_i(fetched_ready), .d_i(banks_read), .q_o(banks)
  );

  if (Lanes == 1) begin : gen_straight
    assign word = banks;
  end else begin : gen_turn
    logic [LBits-1:0] bank_read, bank_q;  // where the first tap lies
    always_ff @(posedge clk_i) if (go) bank_read <= read_bank;
    delay #(
      .Bits(LBits), .Cycles(Late)
    ) bank_level (
      .clk_i(clk_i), .en_i(fetched_ready), .d_i(bank_read), .q_o(bank_q)
    );
    always_comb begin
      word = banks;
      for (int k = 1; k < Lanes; k++) begin
        if (bank_q == LBits'(k)) word = (banks >> (k * Par * XBits)) | (banks << ((Lanes - k) * Par * XBits));
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) fetched_valid <= 1'b0;
    else fetched_valid <= go || (fetched_valid && !fetched_ready);
  end
  if (Late == 0) begin : gen_at_once
    assign y_valid_o     = fetched_valid;
    assign fetched_ready = y_ready_i;
  end else begin : gen_late
    assign fetched_ready = !y_valid_o || y_ready_i;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) y_valid_o <= 1'b0;
      else y_valid_o <= fetched_valid || (y_valid_o && !y_ready_i);
    end
  end

  // ---- padding -----------------------------------------------------------------------------------------------------
  logic [Simd*YBits-1:0] widened;  // the word in y's encoding
  for (genvar e = 0; e < Simd; e++) begin : gen_element
    logic [XBits-1:0] element;
    assign element = word[e*XBits+:XBits];
    if (YBits == XBits) begin : gen_same
      assign widened[e*YBits+:YBits] = element;
    end else if (XKind == 0) begin : gen_bipolar
      assign widened[e*YBits+:YBits] = {{YBits - 1{!element[0]}}, 1'b1};
    end else begin : gen_number
      assign widened[e*YBits+:YBits] = {{YBits - XBits{XKind == 2 && element[XBits-1]}}, element};
    end
  end

  if (Top == 0 && PadBottom == 0 && Left == 0 && PadRight == 0) begin : gen_plain
    assign y_data_o = widened;
  end else begin : gen_padded
    // the position of the tap: row and column, signed
    localparam int unsigned RBits = $clog2(H + Top + PadBottom + 1) + 1;
    localparam int unsigned SBits = $clog2(W + Left + PadRight + 1) + 1;
    logic signed [RBits-1:0] row_q;
    logic signed [SBits-1:0] col_q;
    logic [Lanes-1:0] outside, outside_read, outside_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        row_q <= RBits'(-Top);
        col_q <= SBits'(-Left);
      end else if (go) begin
        if (next_window && last_q) row_q <= last_p ? RBits'(-Top) : row_q + RBits'(Sh - SpanH + 1);
        else if (next_i) row_q <= row_q + (last_i ? RBits'(1 - SpanH) : RBits'(DilationH));
        if (next_window) col_q <= last_q ? SBits'(-Left) : col_q + SBits'(Sw - LastJ);
        else if (next_j) col_q <= col_q + (last_j ? SBits'(-LastJ) : SBits'(DilationW));
      end
      if (go) outside_read <= outside;
    end
    delay #(
      .Bits(Lanes), .Cycles(Late)
    ) outside_level (
      .clk_i(clk_i), .en_i(fetched_ready), .d_i(outside_read), .q_o(outside_q)
    );
    for (genvar k = 0; k < Lanes; k++) begin : gen_lane
      logic signed [SBits-1:0] col;
      assign col = col_q + SBits'(k);
      assign outside[k] = row_q < 0 || row_q >= RBits'(H) || col < 0 || col >= SBits'(W);
    end

    logic [Par*YBits-1:0] padding;
    if (PadFile != "") begin : gen_pads
      logic [Par*YBits-1:0] pads[Blocks];
      initial $readmemh(PadFile, pads);
      logic [Par*YBits-1:0] padding_read;
      always_ff @(posedge clk_i) if (go) padding_read <= pads[b_q];
      delay #(
        .Bits(Par * YBits), .Cycles(Late)
      ) padding_level (
        .clk_i(clk_i), .en_i(fetched_ready), .d_i(padding_read), .q_o(padding)
      );
    end else begin : gen_pad
      assign padding = {Par{YBits'(Pad)}};
    end
    for (genvar k = 0; k < Lanes; k++) begin : gen_mux
      assign y_data_o[k*Par*YBits+:Par*YBits] = outside_q[k] ? padding : widened[k*Par*YBits+:Par*YBits];
    end
  end
endmodule
